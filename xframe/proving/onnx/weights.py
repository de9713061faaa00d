"""Whether an exported graph holds the model's weights: every initialiser is looked up by its values.

A tensor may lie in the graph as it is, with its axes in another order, or reshaped. A batch norm may have been folded
into the convolution or matrix before it, y = s (W x + b − mean) + bias with s = weight / √(variance + ε): that is
computed again and compared. What is neither, and no constant, is unexplained.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xframe import checkpoints
from xframe.comparison import Tolerance, compare
from xframe.proving.sides import Side
from xframe.tensors import Array

FOLDED = Tolerance(rtol=1e-5)  # a fold is computed in float32 by the exporter
HOWS = ("same", "rearranged", "folded", "constant")
Tensors = Mapping[str, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """A batch norm of the model, by the state-dict names of its tensors; "" where it has no such tensor."""

    weight: str
    bias: str
    mean: str
    variance: str
    epsilon: float

    def scale_and_shift(self, state: Tensors) -> tuple[Array, Array]:
        """Scale s and shift bias − mean · s, in float64."""
        variance = state[self.variance].astype(np.float64)
        scale = 1.0 / np.sqrt(variance + self.epsilon)
        if self.weight:
            scale = scale * state[self.weight]
        shift = -state[self.mean].astype(np.float64) * scale
        return scale, shift + state[self.bias] if self.bias else shift


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What an initialiser is: "same", "rearranged", "folded" or "constant", and the tensors that are in it."""

    initialiser: str
    how: str
    tensors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphWeights:
    """Every initialiser that was explained, those that were not, and tensors of the model that are in none."""

    matches: tuple[Match, ...]
    unexplained: tuple[str, ...]
    absent: tuple[str, ...]

    def __bool__(self) -> bool:
        return not self.unexplained and not self.absent

    def count(self, how: str) -> int:
        """How many initialisers are matched in that way."""
        return sum(match.how == how for match in self.matches)

    def to_json(self) -> dict[str, Any]:
        counts = {how: self.count(how) for how in HOWS}
        return {**counts, "unexplained": list(self.unexplained), "absent": list(self.absent)}

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {how}" for how in HOWS if (count := self.count(how)))
        lost = f"; not in the graph: {', '.join(self.absent)}" if self.absent else ""
        odd = f"; unexplained: {', '.join(self.unexplained)}" if self.unexplained else ""
        return f"{len(self.matches) + len(self.unexplained)} initialisers: {counts}{odd}{lost}"


def match_weights(state: Tensors, initialisers: Tensors, norms: Sequence[Norm]) -> GraphWeights:
    """Look up every initialiser among the tensors of ``state`` and what ``norms`` make of them when they are folded.

    ``state`` are the tensors that the model computes with; counters that carry no weight are not among them.
    """
    finder = _Finder(state, norms)
    found = {name: finder.find(name, values) for name, values in initialisers.items()}
    matches = tuple(match for match in found.values() if match is not None)
    used = {tensor for match in matches for tensor in match.tensors}
    return GraphWeights(
        matches=matches,
        unexplained=tuple(name for name, match in found.items() if match is None),
        absent=tuple(name for name in state if name not in used),
    )


class _Finder:
    def __init__(self, state: Tensors, norms: Sequence[Norm]) -> None:
        self._state = state
        self._norms = [(norm, *norm.scale_and_shift(state)) for norm in norms]
        self._by_values: dict[tuple[int, str], list[str]] = defaultdict(list)
        self._by_size: dict[int, list[str]] = defaultdict(list)
        self._energy: dict[str, list[Array]] = {}
        for name, values in state.items():
            self._by_values[_values(values)].append(name)
            self._by_size[values.size].append(name)

    def find(self, name: str, values: Array) -> Match | None:
        """What the initialiser is; None if nothing that is known."""
        for tensor in self._by_values.get(_values(values), ()):
            how = _arrangement(self._state[tensor], values)
            if how:
                return Match(initialiser=name, how=how, tensors=(tensor,))
        if _is_constant(values):
            return Match(initialiser=name, how="constant")
        tensors = next(self._folded(values), None)
        return None if tensors is None else Match(initialiser=name, how="folded", tensors=tensors)

    def _folded(self, values: Array) -> Iterator[tuple[str, ...]]:
        """A kernel times the scale of a norm, a bias behind one, or the scale or shift alone."""
        for norm, scale, shift in self._norms:
            used = tuple(name for name in (norm.weight, norm.bias, norm.mean, norm.variance) if name)
            if values.size == scale.size:
                flat = values.reshape(-1)
                if compare(scale, flat, FOLDED) or compare(shift, flat, FOLDED):
                    yield used
                for bias in self._by_size[scale.size]:
                    if compare(self._state[bias].reshape(-1) * scale + shift, flat, FOLDED):
                        yield (bias, *used)
            for kernel in self._by_size[values.size]:
                if any(_scaled(self._state[kernel], axis, scale, values) for axis in self._axes(kernel, scale, values)):
                    yield (kernel, *used)

    def _axes(self, kernel: str, scale: Array, values: Array) -> Iterator[int]:
        """Axes of a kernel whose scaling gives the energy that ``values`` have: cheap, and hardly ever wrong."""
        for axis, energy in enumerate(self._energies(kernel)):
            if energy.size == scale.size and np.isclose(energy @ scale**2, np.vdot(values, values), rtol=1e-4):
                yield axis

    def _energies(self, kernel: str) -> list[Array]:
        """Along each axis, the sums of squares of its slices; a vector has none."""
        if kernel not in self._energy:
            squares = self._state[kernel].astype(np.float64) ** 2
            axes = range(squares.ndim) if squares.ndim > 1 else ()
            self._energy[kernel] = [squares.sum(axis=tuple({*range(squares.ndim)} - {axis})) for axis in axes]
        return self._energy[kernel]


def _scaled(kernel: Array, axis: int, scale: Array, values: Array) -> bool:
    """Whether ``values`` is the kernel with one of its axes scaled, whatever the order of its axes."""
    scaled = kernel * scale.reshape([-1 if index == axis else 1 for index in range(kernel.ndim)])
    turned = (scaled.transpose(axes) for axes in itertools.permutations(range(kernel.ndim)))
    return any(
        compare(part.reshape(values.shape), values, FOLDED)
        for part in turned
        if _squeezed(part.shape) == _squeezed(values.shape)
    )


def _values(array: Array) -> tuple[int, str]:
    """The same for arrays that hold the same values in any order and shape."""
    ordered = np.sort(array.astype(np.float64, copy=False), axis=None)
    return array.size, hashlib.blake2b(np.ascontiguousarray(ordered).tobytes(), digest_size=16).hexdigest()


def _arrangement(tensor: Array, values: Array) -> str:
    """How the tensor lies in the graph, "" if it is not the same tensor."""
    if tensor.shape == values.shape and np.array_equal(tensor, values):
        return "same"
    for axes in itertools.permutations(range(tensor.ndim)):
        if np.array_equal(tensor.transpose(axes).reshape(-1), values.reshape(-1)):
            return "rearranged"
    return ""


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(length for length in shape if length != 1)


def _is_constant(values: Array) -> bool:
    """Shapes, axes, and single numbers: whole numbers, or one value in all places."""
    return values.dtype.kind in "iub" or values.size == 0 or bool(np.all(values == values.flat[0]))


def weights_in(graph: Path, side: Side) -> GraphWeights:
    """Which tensors of ``side``'s model lie in the graph that was exported from it."""
    here = side.implementation.name
    entries = [entry for entry in side.table.entries if here in entry.names]
    counters = {entry.names[here].name for entry in entries if entry.fill is not None and entry.fill.discard}
    state = {name: extent.map() for name, extent in side.state()().items() if name not in counters}
    held = checkpoints.read(graph).tensors
    return match_weights(state, {name: tensor.array() for name, tensor in held.items()}, list(_norms(side)))


def _norms(side: Side) -> Iterator[Norm]:
    here, attributes = side.implementation.name, side.attributes()
    for layer in side.table.layers:
        if layer.kind.name == "batch_norm" and "epsilon" in attributes.get(layer.layer_name(here), {}):
            entries = (entry for entry in side.table.entries if entry.layer is layer and here in entry.names)
            names = {entry.tensor.role: entry.names[here].name for entry in entries}
            yield Norm(
                weight=names.get("weight", ""),
                bias=names.get("bias", ""),
                mean=names["mean"],
                variance=names["variance"],
                epsilon=attributes[layer.layer_name(here)]["epsilon"],
            )
