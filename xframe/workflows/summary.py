"""``summary``: what every layer gives and costs, implementation beside implementation."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xframe.errors import UsageError
from xframe.mapping import Entry, Layer, Option, Table, load_table
from xframe.mapping.costs import Call, Shape, multiply_adds
from xframe.proving.passes import LayerCall
from xframe.proving.probe import random_input
from xframe.proving.sides import Side
from xframe.stopwatch import Progress, silent
from xframe.workers import Pool

STATISTICS = ("mean", "variance")
_KERNELS = ("weight",)
CONVENTION = (
    "multiply-adds of one image as paddle.flops counts them: a convolution's bias 1 an output, batch norm 2, "
    "average pools 1, activations and max pools 0"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A layer in one implementation. ``outputs``: C × H × W of every call, None where it cannot be traced.

    ``turn`` is the number of its first call.
    """

    name: str
    turn: int | None
    outputs: tuple[Shape, ...] | None
    parameters: int
    multiply_adds: int | None

    def to_json(self) -> dict[str, Any]:
        outputs = None if self.outputs is None else [list(shape) for shape in self.outputs]
        return {
            "name": self.name,
            "outputs": outputs,
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One layer of the table, by implementation."""

    kind: str
    cells: Mapping[str, Cell]

    @property
    def alike(self) -> bool:
        """Whether it gives and costs the same wherever it was seen."""
        outputs = {_squeezed(cell.outputs) for cell in self.cells.values() if cell.outputs is not None and cell.name}
        return len(outputs) <= 1 and len({cell.parameters for cell in self.cells.values()}) == 1

    def turn(self) -> float:
        """When it runs, in the first implementation that could be traced; never comes last."""
        return next((cell.turn for cell in self.cells.values() if cell.turn is not None), math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Sums over one implementation. ``multiply_adds`` is None where its layers cannot be traced."""

    parameters: int
    statistics: int
    tensors: int
    multiply_adds: int | None

    def to_json(self) -> dict[str, int | None]:
        return {
            "parameters": self.parameters,
            "statistics": self.statistics,
            "tensors": self.tensors,
            "multiply_adds": self.multiply_adds,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A whole architecture."""

    table: Table
    rows: tuple[Row, ...]
    totals: Mapping[str, Total]

    def to_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return {
            "command": "summary",
            "model": self.table.name,
            "input": list(self.table.input),
            "convention": CONVENTION,
            "layers": [
                {"kind": row.kind, "alike": row.alike, **{name: cell.to_json() for name, cell in row.cells.items()}}
                for row in self.rows
            ],
            "totals": {name: total.to_json() for name, total in self.totals.items()},
        }


def summary(
    model: str,
    implementations: Sequence[str] = (),
    *,
    options: Mapping[str, Option] | None = None,
    pool: Pool,
    progress: Progress = silent,
) -> Summary:
    """Build ``implementations`` of ``model`` (all by default), trace one forward pass of each, and count.

    Raises UsageError for an unknown model, implementation or option, ModelError where a network does not run.
    """
    table = load_table(model, options)
    columns = [table.implementation(name) for name in implementations or table.implementations]
    if len({column.name for column in columns}) < len(columns):
        raise UsageError(f"Each implementation once, please; found {', '.join(column.name for column in columns)}.")
    pool.start(*(column.framework.name for column in columns))
    probe = random_input(table, 0)[:1]
    sides = [Side(pool, table, column, f"summary {column.name}", "float32") for column in columns]
    traced = [side.trace(probe, _names(table, side.implementation.name)) for side in sides]
    cells: dict[str, list[Cell]] = {}
    totals = {}
    for side, calls in zip(sides, traced, strict=True):
        progress(f"tracing {table.name} in {side.implementation.name}")
        counted = cells[side.implementation.name] = _cells(table, side, calls())
        totals[side.implementation.name] = _total(side, counted)
        side.release()
    rows = [
        Row(kind=layer.kind.name, cells={name: found[index] for name, found in cells.items()})
        for index, layer in enumerate(table.layers)
    ]
    return Summary(table=table, rows=tuple(sorted(rows, key=Row.turn)), totals=totals)


def _names(table: Table, implementation: str) -> list[str]:
    return [name for layer in table.layers if (name := layer.layer_name(implementation))]


def _cells(table: Table, side: Side, calls: Sequence[LayerCall]) -> list[Cell]:
    """Every layer of the table in one implementation, in the table's order."""
    name = side.implementation.name
    called, entries = defaultdict(list), defaultdict(list)
    for turn, call in enumerate(calls):
        called[call.layer].append((turn, call))
    for entry in table.entries:
        if name in entry.names:
            entries[id(entry.layer)].append(entry)
    return [
        _cell(layer, layer.names[name], side, called[layer.names[name]], entries[id(layer)]) for layer in table.layers
    ]


def _cell(
    layer: Layer, name: str, side: Side, called: Sequence[tuple[int, LayerCall]], entries: Sequence[Entry]
) -> Cell:
    turns, calls = [turn for turn, _ in called], [call for _, call in called]
    sizes = _sizes(entries, side)
    kernel = sum(sizes.get(role, 0) for role in _KERNELS)
    costs = [
        multiply_adds(layer.kind.name, Call(kernel=kernel, bias="bias" in sizes, read=call.read, gave=call.gave))
        for call in calls
    ]
    return Cell(
        name=name,
        turn=min(turns, default=None),
        outputs=tuple(call.gave for call in calls) or None,
        parameters=sum(numel for role, numel in sizes.items() if role not in (*STATISTICS, "steps")),
        multiply_adds=sum(cost for cost in costs if cost is not None) if costs and None not in costs else None,
    )


def _sizes(entries: Sequence[Entry], side: Side) -> dict[str, int]:
    """Values by role, each tensor once, whatever blocks it has and however often the state dict lists it."""
    here, sizes = side.implementation.name, dict[str, int]()
    held = {entry.names[here].name: entry for entry in entries if not entry.names[here].same_as}
    for name, entry in held.items():
        sizes[entry.tensor.stated] = sizes.get(entry.tensor.stated, 0) + side.specs[name].numel
    return sizes


def _total(side: Side, cells: Sequence[Cell]) -> Total:
    """Tensors are counted once each, and without torch's counters of batches, which hold no weight."""
    name = side.implementation.name
    named = {entry.names[name].name: entry for entry in side.table.entries if name in entry.names}
    again = {tensor for tensor, entry in named.items() if entry.names[name].same_as}
    roles = {tensor: entry.tensor.stated for tensor, entry in named.items()}
    held = [spec for spec in side.specs.values() if roles.get(spec.name) != "steps" and spec.name not in again]
    known = [cell.multiply_adds for cell in cells if cell.multiply_adds is not None]
    return Total(
        parameters=sum(spec.numel for spec in held if roles.get(spec.name) not in STATISTICS),
        statistics=sum(spec.numel for spec in held if roles.get(spec.name) in STATISTICS),
        tensors=len(held),
        multiply_adds=sum(known) if known else None,
    )


def _squeezed(outputs: tuple[Shape, ...] | None) -> tuple[Shape, ...]:
    """A map of one pixel is a vector."""
    return tuple(shape[:1] if math.prod(shape[1:]) == 1 else shape for shape in outputs or ())
