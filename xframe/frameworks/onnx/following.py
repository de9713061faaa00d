"""Where a graph leaves the model that it was made from: its values held against the model's, node by node.

A value of the model is looked for among the graph's, in either layout. Nodes that lead to one that was found are
right. Behind them stand the first nodes that lead to none: there the graph leaves the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xframe.frameworks.onnx.exact import Computed, Exact
from xframe.frameworks.onnx.trials import Found, trials
from xframe.tensors import Array

NEAR = 1e-7  # of the largest value: a graph keeps its constants in float32
_ALIKE = 1e-5  # relative, of sums of squares
_MOST = 4  # nodes that are tried out
Calls = Sequence[tuple[str, Array]]


@dataclass(frozen=True, slots=True)
class Left:
    """Where the graph leaves the model: the node, the layer whose value no node gives, and what was found there.

    ``behind`` is the last layer whose value leads there.
    """

    operator: str
    name: str
    layer: str
    behind: str
    found: Found | None


class Values:
    """Values of the model by what does not depend on their layout: how many there are, and the sum of their squares."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self._sums = [(array.size, _energy(array)) for _, array in calls]

    def find(self, value: Any) -> list[int]:
        """The calls that gave this value, in either layout."""
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or value.size < 2:
            return []
        energy = _energy(value)
        alike = (
            index
            for index, (size, sum_) in enumerate(self._sums)
            if size == value.size and abs(sum_ - energy) <= _ALIKE * max(sum_, energy)
        )
        return [index for index in alike if same(self.calls[index][1], value)]


def _energy(array: Array) -> float:
    flat = np.ascontiguousarray(array).reshape(-1)
    return float(np.dot(flat, flat))


def same(native: Array, value: Array) -> bool:
    """Whether a graph's value is the model's, with its channels first or last."""
    scale = float(np.abs(native).max(initial=0.0))
    return any(
        float(np.abs(laid.reshape(value.shape) - value).max(initial=0.0)) <= NEAR * scale
        for laid in _layouts(native)
        if _squeezed(laid.shape) == _squeezed(value.shape)
    )


def _layouts(array: Array) -> Iterator[Array]:
    yield array
    if array.ndim > 2:
        yield np.moveaxis(array, -1, 1)
        yield np.moveaxis(array, 1, -1)


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(length for length in shape if length != 1)


def follow(
    graph: Exact,
    inputs: Mapping[str, Array],
    calls: Calls,
    attributes: Mapping[str, Mapping[str, Any]],
    tensors: Mapping[str, Array],
) -> list[Left]:
    """Where ``graph`` leaves a model whose layers gave ``calls``, in their order; at several places of equal rank.

    ``attributes`` are the layers' own, in xframe's spelling; ``tensors`` what some initialisers should hold.
    """
    values = Values(calls)
    found = {step.index: [i for value in step.gave for i in values.find(value)] for step in graph.steps(inputs)}
    paths = _Paths(graph, inputs, {index for index, matched in found.items() if matched})
    seen = {index for matched in found.values() for index in matched}
    missing = [call for index, call in enumerate(calls) if index not in seen]
    first = paths.first_wrong(graph.steps(inputs))[:_MOST]
    left = []
    for step in first:
        behind = max((i for index in paths.before(step.index) for i in found[index]), default=-1)
        layer = next((name for index, (name, _) in enumerate(calls) if index > behind and index not in seen), "")
        trial = next(trials(graph, step, missing, same, attributes=attributes, tensors=tensors), None)
        left.append(Left(step.node.op_type, step.node.name, layer, calls[behind][0] if behind >= 0 else "", trial))
    return sorted(left, key=lambda one: one.found is None)


class _Paths:
    """Which nodes lead where. ``right`` are those that lead to a value of the model."""

    def __init__(self, graph: Exact, inputs: Mapping[str, Array], matched: set[int]) -> None:
        self._nodes, self._inputs = graph.nodes, set(inputs)
        self._makers = {name: index for index, node in enumerate(graph.nodes) for name in node.output if name}
        self.right = set(matched)
        for index in sorted(matched, reverse=True):
            self.right |= self.before(index)

    def before(self, index: int) -> set[int]:
        """The nodes that lead to a node."""
        found: set[int] = set()
        todo = [index]
        while todo:
            for name in self._nodes[todo.pop()].input:
                maker = self._makers.get(name)
                if maker is not None and maker not in found:
                    found.add(maker)
                    todo.append(maker)
        return found

    def first_wrong(self, steps: Iterator[Computed]) -> list[Computed]:
        """Nodes that lead to no value of the model, although all that they read is right."""
        live, wrong, first = set(self._inputs), set(), []
        for step in steps:
            reads = [name for name in step.node.input if name in live]
            if not reads or not any(_is_data(value) for value in step.gave):
                continue
            live.update(step.node.output)
            if step.index in self.right:
                continue
            if not any(self._makers.get(name) in wrong for name in reads):
                first.append(step)
            wrong.add(step.index)
        return first


def _is_data(value: Any) -> bool:
    """Not a shape, an index or a condition."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"
