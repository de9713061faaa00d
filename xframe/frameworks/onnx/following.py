"""Where a graph leaves the model that it was made from: its values held against the model's, node by node.

A value of the model is looked for among the graph's, in either layout. Nodes that lead to one that was found are
right. Behind them stand the first nodes that lead to none: there the graph leaves the model.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xframe.frameworks.onnx.exact import Computed, Exact
from xframe.frameworks.onnx.trials import Found, first_trial
from xframe.tensors import Array

OUTPUT = "output"  # what the model's own outputs are called among its layers' values
NEAR = 1e-7  # of the largest value: a graph keeps its constants in float32
_ALIKE = 1e-5  # relative, of sums of squares
_MOST = 12  # wrong nodes that are looked at
_MOVES = ("Identity", "Unsqueeze", "Squeeze", "Reshape", "Flatten", "Transpose", "Cast")  # values stay what they are
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
) -> Left | None:
    """Where ``graph`` leaves a model whose layers gave ``calls``, in their order; None where it does not.

    That is the first node that computes something and leads to none of its values, or one that a change puts right.
    ``attributes`` are the layers' own, in xframe's spelling; ``tensors`` what some initialisers should hold. Where no
    value tells, it is a node that reads one of those.
    """
    values = Values(calls)
    found = {step.index: [i for value in step.gave for i in values.find(value)] for step in graph.steps(inputs)}
    paths = _Paths(graph, inputs, {index for index, matched in found.items() if matched})
    seen = {index for matched in found.values() for index in matched}
    wrong = list(itertools.islice(paths.wrong(graph.steps(inputs)), _MOST))
    if not wrong:
        unseen = (node for node in graph.nodes if {*node.input} & tensors.keys())
        lost = any(name == OUTPUT for index, (name, _) in enumerate(calls) if index not in seen)
        return next((Left(node.op_type, node.name, "", "", None) for node in unseen), None) or (
            paths.end(graph.outputs, calls, found) if lost else None
        )
    missing = [call for index, call in enumerate(calls) if index not in seen]
    tried = first_trial(graph, wrong, missing, same, attributes=attributes, tensors=tensors)
    step, trial = tried or (next((step for step in wrong if step.node.op_type not in _MOVES), wrong[0]), None)
    behind = max((i for index in paths.before(step.index) for i in found[index]), default=-1)
    layer = next((name for index, (name, _) in enumerate(calls) if index > behind and index not in seen), "")
    return Left(step.node.op_type, step.node.name, layer, calls[behind][0] if behind >= 0 else "", trial)


class _Paths:
    """Which nodes lead where. ``right`` are those that lead to a value of the model."""

    def __init__(self, graph: Exact, inputs: Mapping[str, Array], matched: set[int]) -> None:
        self._nodes, self._inputs = graph.nodes, set(inputs)
        self._makers = {name: index for index, node in enumerate(graph.nodes) for name in node.output if name}
        self.right = set(matched)
        for index in reversed(range(len(graph.nodes))):  # whatever leads to a node stands before it
            if index in self.right:
                self.right |= self._makers_of(index)

    def before(self, index: int) -> set[int]:
        """The nodes that lead to a node."""
        found: set[int] = set()
        todo = [index]
        while todo:
            new = self._makers_of(todo.pop()) - found
            found |= new
            todo += new
        return found

    def _makers_of(self, index: int) -> set[int]:
        return {self._makers[name] for name in self._nodes[index].input if name in self._makers}

    def end(self, outputs: Sequence[str], calls: Calls, found: Mapping[int, list[int]]) -> Left | None:
        """Where all nodes are right and something is missing behind them: the node that gives the first output."""
        index = self._makers.get(outputs[0]) if outputs else None
        if index is None:
            return None
        node = self._nodes[index]
        behind = max((i for at in {index, *self.before(index)} for i in found[at]), default=-1)
        return Left(node.op_type, node.name, OUTPUT, calls[behind][0] if behind >= 0 else "", None)

    def wrong(self, steps: Iterator[Computed]) -> Iterator[Computed]:
        """Nodes that compute on the input and lead to no value of the model, in their order."""
        live = set(self._inputs)
        for step in steps:
            moves = step.node.op_type == "Cast"  # bfloat16 is a dtype of onnx's own
            if live & {*step.node.input} and (moves or any(_is_data(value) for value in step.gave)):
                live.update(step.node.output)
                if step.index not in self.right:
                    yield step


def _is_data(value: Any) -> bool:
    """Not a shape, an index or a condition."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"
