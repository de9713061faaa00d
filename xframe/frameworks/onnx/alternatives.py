"""What a node may have been meant to be: other settings, other tensors of the graph, no rounding; each is computed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from xframe.frameworks.onnx.exact import Computed, Exact
from xframe.tensors import Array

Again = Callable[..., Any]  # (graph, step, read, **attributes): what the node gives then, None if it refuses
Changes = Iterator[tuple[str, str, Any]]
_SETTINGS: Mapping[str, Sequence[Any]] = {
    "ceil_mode": (0, 1),
    "count_include_pad": (0, 1),
    "exclude_outside": (0, 1),
    "coordinate_transformation_mode": ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"),
    "nearest_mode": ("floor", "round_prefer_floor", "round_prefer_ceil", "ceil"),
    "approximate": ("none", "tanh"),
    "alpha": (1.0, 0.01, 0.1, 0.2, 0.25, 0.3),
    "beta": (1.0, 0.5, 0.0),
}
_SETTINGS_OF: Mapping[str, Mapping[str, Sequence[Any]]] = {"Resize": {"mode": ("nearest", "linear", "cubic")}}
_WITH_AXIS = ("Softmax", "LogSoftmax", "Concat")
_BOUNDS = (0.0, 6.0, 1.0, -1.0)
_CAST = "Cast"
_SAME_SHAPE = 40  # other tensors that are tried in a tensor's place, at most


def alternatives(graph: Exact, step: Computed, again: Again) -> Changes:
    """Cause, detail and what the node would give."""
    yield from _other_settings(graph, step, again)
    yield from _other_bounds(graph, step, again)
    yield from _moved_slice(graph, step, again)
    yield from _unrounded(step)
    yield from _other_initialisers(graph, step, again)


def _other_settings(graph: Exact, step: Computed, again: Again) -> Changes:
    """Attributes among the values that are usual, and every axis."""
    own = vars(graph.operators[step.index])
    usual = {**_SETTINGS, **_SETTINGS_OF.get(step.node.op_type, {})}
    if step.node.op_type in _WITH_AXIS:
        usual["axis"] = range(np.ndim(step.gave[0]))
    for name, values in usual.items():
        held = own.get(name)
        for value in values if held is not None else ():
            if value != held:
                gave = again(graph, step, step.read, **{name: value})
                yield name, f"{name} is {_shown(held)}; it agrees with {_shown(value)}", gave


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _other_bounds(graph: Exact, step: Computed, again: Again) -> Changes:
    """Of a Clip, those of the usual activations."""
    if step.node.op_type == "Clip":
        for place, word in ((1, "lower"), (2, "upper")):
            if len(step.read) <= place or step.read[place] is None:
                continue
            held = float(step.read[place])
            for value in _BOUNDS:
                if held != value:
                    gave = again(graph, step, _with(step.read, {place: np.float64(value)}))
                    yield "bound", f"its {word} bound is {held:g}; it agrees with {value:g}", gave


def _moved_slice(graph: Exact, step: Computed, again: Again) -> Changes:
    """Beginning, end or both by one."""
    if step.node.op_type == "Slice" and len(step.read) > 2:
        starts, ends = (np.asarray(part) for part in step.read[1:3])
        for first, last in itertools.product((0, -1, 1), repeat=2):
            if first or last:
                read = _with(step.read, {1: starts + first, 2: ends + last})
                told = f"it takes {starts.tolist()} to {ends.tolist()}"
                detail = f"{told}; it agrees with {read[1].tolist()} to {read[2].tolist()}"
                yield "slice", detail, again(graph, step, read)


def _unrounded(step: Computed) -> Changes:
    """A cast to fewer bits, left out."""
    given = step.read[0] if step.read else None
    if step.node.op_type == _CAST and isinstance(given, np.ndarray) and given.dtype.kind == "f":
        yield "precision", "it rounds what it reads to fewer bits; it agrees without", given


def _other_initialisers(graph: Exact, step: Computed, again: Again) -> Changes:
    """Two of the node's own tensors in each other's place; another tensor of the graph of the same shape."""
    held = graph.initialisers
    own = [place for place, name in enumerate(step.node.input) if np.size(held.get(name, 0.0)) > 1]
    names = step.node.input
    for one, other in itertools.combinations(own, 2):
        if step.read[one].shape == step.read[other].shape:
            gave = again(graph, step, _with(step.read, {one: step.read[other], other: step.read[one]}))
            yield "order of inputs", f"it agrees with {names[one]} and {names[other]} in each other's place", gave
    for place in own:
        alike = (name for name, values in held.items() if _alike(values, step.read[place]) and name != names[place])
        for name in itertools.islice(alike, _SAME_SHAPE):
            gave = again(graph, step, _with(step.read, {place: held[name]}))
            yield "another tensor", f"it reads {names[place]}; it agrees when it reads {name}", gave


def _alike(one: Any, other: Array) -> bool:
    return isinstance(one, np.ndarray) and one.shape == other.shape and one.dtype == other.dtype


def _with(read: Sequence[Any], instead: Mapping[int, Any]) -> list[Any]:
    return [instead.get(place, value) for place, value in enumerate(read)]
