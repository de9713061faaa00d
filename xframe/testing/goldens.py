"""A golden: what one implementation computed, small enough to be kept beside the test that holds others to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from blake3 import blake3

from xframe.mapping import Entry, Option, Table
from xframe.tensors import Array, TensorSpec
from xframe.testing.sketch import sketch

WHOLE = 2**15  # values of an output that is kept as it is; of a larger one there is a sketch


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """A tensor that the network was set to: its spec as the recorded implementation has it, and a short digest."""

    spec: TensorSpec
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a mapped layer: its name in the recorded implementation, and the shape it gave, channels first."""

    layer: str
    shape: tuple[int, ...]
    sketch: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One output, channels first in float64: ``values`` are all of them, or the sketch of more than WHOLE."""

    shape: tuple[int, ...]
    values: Array

    @classmethod
    def of(cls, array: Array) -> Output:
        """What is kept of an output."""
        kept = np.array(array, np.float64, order="C") if array.size <= WHOLE else sketch(array)
        return cls(shape=array.shape, values=kept)

    @property
    def whole(self) -> bool:
        return self.values.shape == self.shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """What ``column`` of ``model`` computed in float64, and from what.

    ``weights`` is the name of the file that they were read from, None where they were drawn from ``seed``; ``input``
    the same of the input, whose digest is ``probe``. ``concerns`` are digests of what the table says of the column.
    ``gradients`` are sketches by tensor; None where none were recorded. ``attributes`` are the layers' own.
    """

    model: str
    column: str
    seed: int
    options: Mapping[str, Any]
    weights: str | None
    input: str | None
    probe: str
    tensors: Mapping[str, Weight]
    concerns: Mapping[str, str]
    outputs: tuple[Output, ...]
    calls: tuple[Call, ...]
    gradients: Mapping[str, Array] | None = None
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def specs(self) -> dict[str, TensorSpec]:
        """The recorded implementation's state dict, which takes its framework to know otherwise."""
        return {name: weight.spec for name, weight in self.tensors.items()}

    @property
    def by(self) -> str:
        """The column, and the framework's version."""
        name = self.column.partition("/")[0]
        return f"{self.column} ({name} {self.versions[name]})" if name in self.versions else self.column


def short_digest(array: Array) -> str:
    """128 bits of the BLAKE3 of a tensor's bytes in C order: enough against accidents, which is what it is for."""
    data: Any = np.ascontiguousarray(array).reshape(-1).view(np.uint8)  # Any: a buffer, though its type hides it
    return str(blake3(data).hexdigest(16))


def options_of(table: Table, column: str) -> dict[str, Option]:
    """The table's options that the column's factory takes, with their values."""
    return {name: table.options[name] for name in table.implementation(column).options}


def concerns(table: Table, column: str) -> dict[str, str]:
    """A digest of what the table says of a column, by layer; "" has what it says of the network as a whole.

    Other columns, what a kind is called, and the module that a model is built in may change: the weights and the input
    stay the same.
    """
    said = table.implementation(column)
    head = [table.input, table.input_axes, table.output_axes, table.tokens, dict(said.fixed), said.output]
    rows: dict[str, list[Any]] = {"": head}
    for layer in table.layers:
        if layer.names[column]:
            rows[layer.names[column]] = [layer.kind.output, layer.gain, sorted(layer.sizes.items())]
    for entry in table.entries:
        if column in entry.names:
            rows[entry.layer.names[column]].append(_entry(entry, column))
    return {name: _digest_of(row) for name, row in rows.items()}


def _entry(entry: Entry, column: str) -> list[Any]:
    name, tensor = entry.names[column], entry.tensor
    filled = None if entry.fill is None else entry.fill.value
    return [name.name, name.pattern.text, dict(name.part), name.same_as, tensor.role, tensor.draw, tensor.sums, filled]


def _digest_of(said: Any) -> str:
    return str(blake3(json.dumps(said, sort_keys=True, default=list).encode()).hexdigest(4))
