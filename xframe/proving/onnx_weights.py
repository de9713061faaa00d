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

import numpy as np

from xframe.comparison import Tolerance, compare
from xframe.tensors import Array

FOLDED = Tolerance(rtol=1e-5)  # a fold is computed in float32 by the exporter
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
                if any(_is_scaled(self._state[kernel], scale, values)):
                    yield (kernel, *used)


def _is_scaled(kernel: Array, scale: Array, values: Array) -> Iterator[bool]:
    """Whether ``values`` is the kernel with one of its axes scaled, whatever the order of its axes."""
    for axis, length in enumerate(kernel.shape):
        if length != scale.size or kernel.ndim < 2:
            continue
        scaled = kernel * scale.reshape([-1 if index == axis else 1 for index in range(kernel.ndim)])
        if not np.isclose(np.linalg.norm(scaled), np.linalg.norm(values), rtol=1e-4):
            continue
        for axes in itertools.permutations(range(kernel.ndim)):
            turned = scaled.transpose(axes)
            if _squeezed(turned.shape) == _squeezed(values.shape):
                yield bool(compare(turned.reshape(values.shape), values, FOLDED))


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
