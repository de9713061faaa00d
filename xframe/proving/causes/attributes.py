"""Causes that are attributes of the layer itself: each is given the other side's value, and the layer runs again."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from xframe.proving.causes.alignment import padded, without
from xframe.proving.causes.cause import Cause
from xframe.proving.causes.evidence import Evidence
from xframe.proving.sides import Side
from xframe.tensors import Array

IN_TRAINING = {"momentum", "rate", "mode"}  # without effect in evaluation mode
_OWN = {"kind", "padding", "size"}
Padding = list[list[int]]


def attribute_causes(evidence: Evidence) -> Iterator[Cause]:
    """Those attributes that make the layer agree: each by itself, else all together, on the target, else the source.

    Where none does, every one that differs, not confirmed.
    """
    found = dict(differing(evidence))
    alone = [{name: values} for name, values in found.items()]
    for end, trials in itertools.product((0, 1), (alone, [found] if len(found) > 1 else [])):
        confirmed = [_cause(evidence, trial, end, confirmed=True) for trial in trials if _agrees(evidence, trial, end)]
        if confirmed:
            yield from confirmed
            return
    yield from (_cause(evidence, trial, 0, confirmed=False) for trial in alone)


def differing(evidence: Evidence) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Attributes that both layers have and that differ, padding as it acts: its own and what lies before the layer."""
    one, other = evidence.attributes
    for name in one.keys() & other.keys() - IN_TRAINING - _OWN:
        if one[name] != other[name]:
            yield name, (one[name], other[name])
    paddings = _paddings(evidence)
    if paddings is not None and paddings[0] != paddings[1]:
        yield "padding", paddings


def _paddings(evidence: Evidence) -> tuple[Padding, Padding] | None:
    """Both sides' paddings as [before, after] an axis; None where they can't be known."""
    alignment, sides = evidence.alignment, evidence.attributes
    if alignment is None or not all("padding" in held for held in sides) or not all(alignment.margins):
        return None
    if evidence.read[0].ndim != evidence.read[1].ndim:  # a convolution of one dimension written as one of two
        return None
    one, other = (
        [
            [own + zeros for own, zeros in zip(pair, ends, strict=True)]
            for pair, ends in zip(acting(held, read.shape[2:]), margins, strict=True)
        ]
        for held, read, margins in zip(sides, evidence.read, alignment.margins, strict=True)
    )
    return one, other


def acting(attributes: Mapping[str, Any], lengths: tuple[int, ...]) -> Padding:
    """Padding as [before, after] an axis for an input of ``lengths``.

    "same" gives ⌈length / stride⌉ outputs, the odd one of its zeros behind (TensorFlow, "Notes on padding").
    """
    padding = attributes["padding"]
    if not isinstance(padding, str):
        return [list(pair) for pair in padding]
    spans = zip(lengths, attributes["stride"], attributes["window"], strict=True)
    dilation = attributes.get("dilation", [1] * len(lengths))
    totals = [
        max(0, (math.ceil(length / stride) - 1) * stride + (window - 1) * dilated + 1 - length)
        for (length, stride, window), dilated in zip(spans, dilation, strict=True)
    ]
    return [[total // 2, total - total // 2] for total in totals]


def _cause(evidence: Evidence, found: Mapping[str, tuple[Any, Any]], end: int, *, confirmed: bool) -> Cause:
    """``end`` is 0 where the target is to take the source's values, 1 where it is the other way round."""
    here, there = evidence.ends
    said = "; ".join(
        f"{name} is {spoken(one)} in {here}'s {evidence.names[0]} and {spoken(other)} in {there}'s {evidence.names[1]}"
        for name, (one, other) in found.items()
    )
    settings = " and ".join(f"{name} {spoken(values[end])}" for name, values in found.items())
    layer, side = (evidence.names[1], there) if end == 0 else (evidence.names[0], here)
    return Cause(
        cause=" and ".join(found),
        detail=f"{said}{_by_a_layer(evidence, found)}.",
        confirmed=confirmed,
        change=f"give {layer} in {side} {settings}",
    )


def _by_a_layer(evidence: Evidence, found: Mapping[str, tuple[Any, Any]]) -> str:
    """Who pads, where it is not the layer itself."""
    if "padding" not in found or evidence.alignment is None:
        return ""
    pads = [
        f"{end}'s by what lies before the layer"
        for end, margins in zip(evidence.ends, evidence.alignment.margins, strict=True)
        if any(any(pair) for pair in margins)
    ]
    return f" ({' and '.join(pads)})" if pads else ""


def _agrees(evidence: Evidence, found: Mapping[str, tuple[Any, Any]], end: int) -> bool:
    """Whether the target, or the source, gives what the other did when it has the other's attributes."""
    changed = (evidence.target, evidence.source)[end]
    name, read, expected = evidence.names[1 - end], evidence.read[1 - end], evidence.gave[end]
    values = {key: pair[end] for key, pair in found.items() if key != "padding"}
    if "padding" in found and evidence.alignment is not None:
        read = padded(without(evidence.read[end], evidence.alignment.margins[end]), found["padding"][end])
        values["padding"] = [[0, 0]] * (read.ndim - 2)
    gave = evidence.replayed(changed, name, read, values)
    return gave is not None and evidence.same(expected, gave)


def spoken(value: Any) -> str:
    """A value as one would write it: 0.001, (3, 3), 1 before and 1 after."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        pairs = {tuple(pair) for pair in value}
        if len(pairs) == 1:
            before, after = pairs.pop()
            return f"{before} on both sides" if before == after else f"{before} before and {after} after"
        return str([tuple(pair) for pair in value])
    if isinstance(value, list):
        return str(value[0]) if len(set(value)) == 1 else str(tuple(value))
    return "none" if value is None else str(value)


def batch_statistics(evidence: Evidence) -> Iterator[Cause]:
    """A batch norm that normalises by its batch although the model is in evaluation mode."""
    if evidence.layer.kind.name != "batch_norm":
        return
    for end, (side, read, gave) in enumerate(
        zip((evidence.source, evidence.target), evidence.read, evidence.gave, strict=True)
    ):
        if evidence.same(gave, _by_its_batch(evidence, side, read, end)):
            where = f"{evidence.ends[end]}'s {evidence.names[end]}"
            yield Cause(
                cause="training mode",
                detail=f"{where} normalises by the statistics of its batch, not by the running ones.",
                confirmed=True,
                change=f"call {where} in evaluation mode",
            )


def _by_its_batch(evidence: Evidence, side: Side, read: Array, end: int) -> Array:
    """The batch norm in training mode, from the layer's own weight, bias and epsilon."""
    axes = tuple(axis for axis in range(read.ndim) if axis != 1)
    shape = [1, -1, *(1 for _ in read.shape[2:])]
    weight, bias = (values.reshape(shape) for values in _scale_and_shift(evidence, side))
    mean, variance = read.mean(axis=axes, keepdims=True), read.var(axis=axes, keepdims=True)
    epsilon = float(evidence.attributes[end].get("epsilon", 0.0))
    scaled: Array = (read - mean) / np.sqrt(variance + epsilon) * weight + bias
    return scaled


def _scale_and_shift(evidence: Evidence, side: Side) -> list[Array]:
    held, name = side.state()(), side.implementation.name
    entries = {e.tensor.role: e for e in side.table.entries if e.layer is evidence.layer and name in e.names}
    defaults = {"weight": 1.0, "bias": 0.0}
    return [
        held[entries[role].names[name].name].map() if role in entries else np.full(1, default)
        for role, default in defaults.items()
    ]
