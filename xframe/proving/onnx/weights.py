"""Whether an exported graph holds the model's weights: every initialiser is looked up by its values.

A tensor may lie in the graph as it is, with its axes in another order, or reshaped. A batch norm may have been folded
into the convolution or matrix before it, y = s (W x + b − mean) + bias with s = weight / √(variance + ε): that is
computed again and compared. What is neither, and no constant, is unexplained; altered, if most of it is a tensor of the
model that is nowhere else in the graph.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xframe import checkpoints
from xframe.comparison import Tolerance, compare
from xframe.errors import printable
from xframe.proving.sides import Side
from xframe.tensors import Array

FOLDED = Tolerance(rtol=1e-5)  # a fold is computed in float32 by the exporter
_ENERGY = {False: 1e-4, True: 1e-2}  # relative, of sums of squares: of a fold as it was, and of one that was altered
_HALF = Tolerance(rtol=float(np.finfo(np.float16).eps))
_MOSTLY = 0.5  # of an initialiser's values may be altered, at most
_FEW, _ROUND = 8, 64.0  # numbers that are whole multiples of 1/64
HOWS = ("same", "rearranged", "reordered", "folded", "constant")
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
    """What an initialiser is, one of HOWS, and the tensors that are in it.

    "rearranged" has its axes in another order; "reordered" the same values in another order within an axis, as the
    rows of a matrix behind a flatten: that it is the right order only the outputs can say.

    ``exact`` is a fold computed in float64, as it lies in the graph; None for the others.
    """

    initialiser: str
    how: str
    tensors: tuple[str, ...] = ()
    exact: Array | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Altered:
    """An initialiser that is nearly a tensor of the model, or a fold: what it should hold, and how it differs."""

    initialiser: str
    tensors: tuple[str, ...]
    detail: str
    exact: Array = field(repr=False, compare=False)
    half: bool = False  # it holds them in float16

    @property
    def said(self) -> str:
        """The initialiser's name, fit for a terminal."""
        return printable(self.initialiser)

    def __str__(self) -> str:
        return f"{self.said} should hold {' × '.join(self.tensors[:2])}, but {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphWeights:
    """Every initialiser that was explained, those that were not, and tensors of the model that are in none.

    A tensor of zeros, such as a bias that adds nothing, may be missing.
    """

    matches: tuple[Match, ...]
    unexplained: tuple[str, ...]
    absent: tuple[str, ...]
    altered: tuple[Altered, ...] = ()

    def __bool__(self) -> bool:
        return not self.unexplained and not self.absent

    @property
    def folds(self) -> dict[str, Array]:
        """By initialiser, folds as float64 has them, which no exporter has rounded."""
        return {match.initialiser: match.exact for match in self.matches if match.exact is not None}

    def count(self, how: str) -> int:
        """How many initialisers are matched in that way."""
        return sum(match.how == how for match in self.matches)

    @property
    def counts(self) -> dict[str, int]:
        """How many initialisers are what."""
        return {how: self.count(how) for how in HOWS}

    def to_json(self) -> dict[str, Any]:
        counts = self.counts
        altered = {one.initialiser: one.detail for one in self.altered}
        return {**counts, "unexplained": list(self.unexplained), "absent": list(self.absent), "altered": altered}

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
    unexplained = tuple(name for name, match in found.items() if match is None)
    absent = tuple(name for name, values in state.items() if name not in used and np.any(values))
    nearly = (finder.altered(name, initialisers[name], absent) for name in unexplained)
    altered = tuple(one for one in nearly if one is not None)
    sizes = {state[name].size for name in absent}
    plain = {name for name in unexplained if _is_plain(initialisers[name]) and initialisers[name].size not in sizes}
    plain -= {one.initialiser for one in altered}
    return GraphWeights(
        matches=(*matches, *(Match(initialiser=name, how="constant") for name in unexplained if name in plain)),
        unexplained=tuple(name for name in unexplained if name not in plain),
        absent=absent,
        altered=altered,
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
        if values.dtype.kind in "iub" or not np.any(values):
            return Match(initialiser=name, how="constant")
        for tensors, exact in self._folds(values, altered=False):
            if compare(exact, values, FOLDED):
                return Match(initialiser=name, how="folded", tensors=tensors, exact=exact)
        return Match(initialiser=name, how="constant") if _is_constant(values) else None

    def altered(self, name: str, values: Array, absent: Sequence[str]) -> Altered | None:
        """The tensor that is nowhere else, or the fold, of which most values are the initialiser's."""
        kernels = [tensor for tensor in absent if self._state[tensor].size == values.size]
        laid = (((tensor,), part) for tensor in kernels for part in _laid_out(self._state[tensor], values.shape))
        for tensors, exact in itertools.chain(laid, self._folds(values, altered=True)):
            half = _is_half(exact, values)
            wrong = np.abs(exact - values) > FOLDED.rtol * np.abs(exact).max()
            if np.count_nonzero(wrong) <= _MOSTLY * values.size or half:
                worst = float(np.abs(exact - values).max())
                detail = f"{np.count_nonzero(wrong)} of its {values.size} values are others, by {worst:.1e} at most"
                if half:
                    detail = f"its {values.size} values are rounded to float16, by {worst:.1e} at most"
                return Altered(
                    initialiser=name, tensors=tensors, detail=detail, exact=exact.astype(np.float64), half=half
                )
        return None

    def _folds(self, values: Array, *, altered: bool) -> Iterator[tuple[tuple[str, ...], Array]]:
        """A kernel times the scale of a norm, a bias behind one, or scale or shift alone, laid out as ``values``."""
        for norm, scale, shift in self._norms:
            used = tuple(name for name in (norm.weight, norm.bias, norm.mean, norm.variance) if name)
            if values.size == scale.size:
                yield used, scale.reshape(values.shape)
                yield used, shift.reshape(values.shape)
                for bias in self._by_size[scale.size]:
                    yield (bias, *used), (self._state[bias].reshape(-1) * scale + shift).reshape(values.shape)
            for kernel in self._by_size[values.size]:
                for axis in self._axes(kernel, scale, values, _ENERGY[altered]):
                    for exact in _scaled(self._state[kernel], axis, scale, values.shape):
                        yield (kernel, *used), exact

    def _axes(self, kernel: str, scale: Array, values: Array, rtol: float) -> Iterator[int]:
        """Axes of a kernel whose scaling gives the energy that ``values`` have: cheap, and hardly ever wrong."""
        for axis, energy in enumerate(self._energies(kernel)):
            if energy.size == scale.size and np.isclose(energy @ scale**2, np.vdot(values, values), rtol=rtol):
                yield axis

    def _energies(self, kernel: str) -> list[Array]:
        """Along each axis, the sums of squares of its slices; a vector has none."""
        if kernel not in self._energy:
            squares = self._state[kernel].astype(np.float64) ** 2
            axes = range(squares.ndim) if squares.ndim > 1 else ()
            self._energy[kernel] = [squares.sum(axis=tuple({*range(squares.ndim)} - {axis})) for axis in axes]
        return self._energy[kernel]


def _scaled(kernel: Array, axis: int, scale: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """The kernel with one of its axes scaled, laid out as ``shape`` in every way that fits."""
    yield from _laid_out(kernel * scale.reshape([-1 if index == axis else 1 for index in range(kernel.ndim)]), shape)


def _laid_out(tensor: Array, shape: tuple[int, ...]) -> Iterator[Array]:
    """A tensor with its axes in every order that gives ``shape``, but for lengths of 1."""
    for axes in itertools.permutations(range(tensor.ndim)):
        turned = tensor.transpose(axes)
        if _squeezed(turned.shape) == _squeezed(shape):
            yield turned.reshape(shape)


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
    return "reordered" if values.ndim > 1 else ""


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(length for length in shape if length != 1)


def _is_constant(values: Array) -> bool:
    """One value in all places."""
    return bool(np.all(values == values.flat[0]))


def _is_half(exact: Array, values: Array) -> bool:
    """Whether ``values`` are ``exact`` rounded to float16; within a unit, as a fold may have been rounded before."""
    with np.errstate(over="ignore"):
        half = values.astype(np.float16).astype(np.float64)
    return np.array_equal(half, values) and bool(compare(exact, half, _HALF))


def _is_plain(values: Array) -> bool:
    """A few round numbers, such as the scales of a Resize: no exporter computed them, so none rounded them."""
    return values.ndim == 1 and values.size <= _FEW and bool(np.all(values * _ROUND == np.round(values * _ROUND)))


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
