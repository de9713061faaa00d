"""What a node would have to be, or to read, so that the graph gives what the model does: each tried by computing it.

A change is confirmed when the node, or one of those behind it, then gives a layer's value that no node gave before.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xframe.frameworks.onnx.alternatives import alternatives
from xframe.frameworks.onnx.exact import Computed, Exact
from xframe.tensors import Array

Same = Callable[[Array, Array], bool]
Calls = Sequence[tuple[str, Array]]
_SPATIAL = {"pads": "padding", "strides": "stride", "dilations": "dilation"}
_PATIENCE = 60.0  # seconds for all trials
_ROUNDING = 1e-6  # of the largest value: a change that does less is none
_PERMUTED = 4  # inputs of a concatenation, at most, whose orders are tried
_PLAIN: Mapping[str, Callable[[Array], Array]] = {
    "Relu": lambda x: np.maximum(x, 0.0),
    "Relu6": lambda x: np.clip(x, 0.0, 6.0),
    "Sigmoid": lambda x: 0.5 * (1.0 + np.tanh(0.5 * x)),
    "Tanh": np.tanh,
    "HardSwish": lambda x: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0),
    "HardSigmoid": lambda x: np.clip(x / 6.0 + 0.5, 0.0, 1.0),
    "Silu": lambda x: x * 0.5 * (1.0 + np.tanh(0.5 * x)),
}


@dataclass(frozen=True, slots=True)
class Found:
    """A change that lets the node give what a layer of the model gives."""

    cause: str
    detail: str
    layer: str


def first_trial(
    graph: Exact,
    wrong: Sequence[Computed],
    missing: Calls,
    same: Same,
    *,
    attributes: Mapping[str, Mapping[str, Any]],
    tensors: Mapping[str, Array],
) -> tuple[Computed, Found] | None:
    """The first change of one of the nodes ``wrong``, in their order, that gives what ``missing`` has."""
    ends = time.monotonic() + _PATIENCE
    for place, step in enumerate(wrong):
        for cause, detail, gave in _changes(graph, step, missing, attributes, tensors):
            if time.monotonic() > ends:
                return None
            if _unchanged(gave, step.gave[0]):
                continue
            layer = _leads_to(graph, wrong[place:], gave, missing, same)
            if layer is not None:
                return step, Found(cause, detail, layer)
    return None


def _unchanged(gave: Any, before: Any) -> bool:
    """A relu of what is positive anyway explains nothing, though rounding may let it."""
    if not isinstance(gave, np.ndarray) or gave.shape != getattr(before, "shape", None):
        return False
    with np.errstate(invalid="ignore"):
        return bool(np.abs(gave - before).max(initial=0.0) <= _ROUNDING * np.abs(before).max(initial=0.0))


def _leads_to(graph: Exact, steps: Sequence[Computed], gave: Any, missing: Calls, same: Same) -> str | None:
    """The layer whose value is given, when the first of the steps gives ``gave``: by itself or by those behind it."""
    values = {steps[0].node.output[0]: gave}
    for step in steps:
        if step is not steps[0]:
            names = list(step.node.input)
            if not {*names} & values.keys():
                continue
            read = [values.get(name, held) for name, held in zip(names, step.read, strict=True)]
            values[step.node.output[0]] = _again(graph, step, read)
        value = values[step.node.output[0]]
        if not isinstance(value, np.ndarray):
            return None
        for layer, native in missing:
            if value.size == native.size and same(native, value):
                return layer
    return None


def _changes(
    graph: Exact,
    step: Computed,
    missing: Calls,
    attributes: Mapping[str, Mapping[str, Any]],
    tensors: Mapping[str, Array],
) -> Iterator[tuple[str, str, Any]]:
    yield from _other_tensors(graph, step, tensors)
    yield from _other_attributes(graph, step, [attributes[name] for name, _ in missing if name in attributes])
    yield from alternatives(graph, step, _again)
    yield from _moved_pads(graph, step)
    yield from _padding_value(graph, step)
    yield from _transposed(graph, step)
    yield from _reordered(graph, step)
    yield from _activated(graph, step)


def _again(graph: Exact, step: Computed, read: Sequence[Any], **attributes: Any) -> Any:
    try:
        return graph.again(step.index, read, **attributes)[0]
    except Exception:  # a change that the operator refuses is none
        return None


def _with(read: Sequence[Any], place: int, value: Any) -> list[Any]:
    return [*read[:place], value, *read[place + 1 :]]


def _other_tensors(graph: Exact, step: Computed, tensors: Mapping[str, Array]) -> Iterator[tuple[str, str, Any]]:
    """Initialisers as the model has them."""
    held = {place: name for place, name in enumerate(step.node.input) if name in tensors}
    read = [tensors[held[place]] if place in held else value for place, value in enumerate(step.read)]
    if held:
        names = ", ".join(held.values())
        yield "other values", f"it agrees when {names} holds what the model does", _again(graph, step, read)


def _other_attributes(
    graph: Exact, step: Computed, natives: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, str, Any]]:
    """Padding, strides, dilations and epsilon as a layer of the model has them."""
    own = vars(graph.operators[step.index])
    for native in natives:
        for name, spelt in _SPATIAL.items():
            wanted = _spatial(name, native.get(spelt))
            if own.get(name) is not None and wanted and list(own[name]) != wanted and len(wanted) == len(own[name]):
                detail = f"{name} is {list(own[name])} and the model's {spelt} asks for {wanted}"
                yield name, detail, _again(graph, step, step.read, **{name: wanted})
        word, wanted = own.get("auto_pad"), _spatial("pads", native.get("padding"))
        if word not in (None, "NOTSET") and wanted:
            detail = f"auto_pad is {word} and the model's padding asks for {wanted}"
            yield "auto_pad", detail, _again(graph, step, step.read, auto_pad="NOTSET", pads=wanted)
        epsilon = native.get("epsilon")
        if own.get("epsilon") is not None and epsilon is not None and epsilon != own["epsilon"]:
            detail = f"epsilon is {own['epsilon']:g} and the model's is {epsilon:g}"
            yield "epsilon", detail, _again(graph, step, step.read, epsilon=epsilon)


def _moved_pads(graph: Exact, step: Computed) -> Iterator[tuple[str, str, Any]]:
    """The same padding, shared out otherwise."""
    own = vars(graph.operators[step.index])
    if own.get("pads"):
        for pads in _moved(list(own["pads"])):
            detail = f"pads is {list(own['pads'])}; it agrees with {pads}"
            yield "pads", detail, _again(graph, step, step.read, pads=pads)


def _spatial(name: str, value: Any) -> list[int]:
    """A layer's padding as ONNX has it, all beginnings and then all ends; strides and dilations as they are."""
    if not isinstance(value, list):
        return []
    if name != "pads":
        return list(value)
    return [before for before, _ in value] + [after for _, after in value]


def _moved(pads: list[int]) -> Iterator[list[int]]:
    """The same padding of each axis, and one more or less, shared out otherwise."""
    rank = len(pads) // 2
    totals = [pads[axis] + pads[rank + axis] for axis in range(rank)]
    for more in (0, 1, -1, 2, -2):
        for before in itertools.product(*(range(max(0, total + more) + 1) for total in totals)):
            after = [total + more - first for total, first in zip(totals, before, strict=True)]
            if min(after) >= 0 and [*before, *after] != pads:
                yield [*before, *after]


def _padding_value(graph: Exact, step: Computed) -> Iterator[tuple[str, str, Any]]:
    """Zeros around the data, and what a maximum takes for nothing, in place of whatever is put there."""
    if step.node.op_type == "Pad" and len(step.read) > 2 and isinstance(step.read[2], np.ndarray):
        held = step.read[2].reshape(-1)[:1]
        for value in (0.0, -np.inf):
            if held.size and held[0] != value:
                again = _again(graph, step, _with(step.read, 2, np.full_like(step.read[2], value)))
                yield "padding value", f"it pads with {held[0]:g}; it agrees with {value:g}", again


def _transposed(graph: Exact, step: Computed) -> Iterator[tuple[str, str, Any]]:
    for flag in ("transA", "transB"):
        value = getattr(graph.operators[step.index], flag, None)
        if value is not None:
            detail = f"{flag} is {value}; it agrees with {1 - value}"
            yield "transposed", detail, _again(graph, step, step.read, **{flag: 1 - value})
    for place, name in enumerate(step.node.input):
        held = step.read[place]
        if name in graph.initialisers and isinstance(held, np.ndarray) and held.ndim > 1:
            for axes in itertools.permutations(range(held.ndim)):
                if axes != tuple(range(held.ndim)):
                    turned = _again(graph, step, _with(step.read, place, held.transpose(axes)))
                    yield "transposed", f"it agrees when {name} has its axes in the order {axes}", turned


def _reordered(graph: Exact, step: Computed) -> Iterator[tuple[str, str, Any]]:
    """Inputs in another order: of a concatenation, a subtraction, a division."""
    if 1 < len(step.read) <= _PERMUTED and step.node.op_type in ("Concat", "Sub", "Div", "MatMul", "Pow"):
        for order in itertools.permutations(range(len(step.read))):
            if order != tuple(range(len(step.read))):
                names = ", ".join(step.node.input[place] for place in order)
                yield (
                    "order of inputs",
                    f"it agrees when it reads {names}",
                    _again(graph, step, [step.read[place] for place in order]),
                )


def _activated(graph: Exact, step: Computed) -> Iterator[tuple[str, str, Any]]:
    """An activation behind the node; or before it, by itself or for what the node gives then."""
    for name, function in _PLAIN.items():
        if _is_data(step.gave[0]):
            yield "missing activation", f"a {name} is missing behind it", function(step.gave[0])
    for name, function in _PLAIN.items():
        for place, value in enumerate(step.read):
            if step.node.input[place] not in graph.initialisers and _is_data(value):
                detail, active = f"a {name} is missing before it, on {step.node.input[place]}", function(value)
                if _unchanged(active, value):  # then what it agrees with is the node left out
                    continue
                yield "missing activation", detail, active
                yield "missing activation", detail, _again(graph, step, _with(step.read, place, active))


def _is_data(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"
