"""From a layer that differs to its causes: each is tried out, the confirmed ones come first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np

from xframe.comparison import Tolerance, compare
from xframe.proving.causes.attributes import attribute_causes, batch_statistics
from xframe.proving.causes.between import between_causes
from xframe.proving.causes.cause import Cause
from xframe.proving.causes.evidence import Evidence, gather
from xframe.proving.causes.functions import ACTIVATIONS
from xframe.proving.causes.tensors import exchanged_layers, tensor_causes
from xframe.proving.layer_diff import LayerDiff
from xframe.proving.sides import Side
from xframe.tensors import Array


def diagnose(
    source: Side,
    target: Side,
    probe: Array,
    diff: LayerDiff,
    tolerance: Tolerance,
    *,
    skip: Collection[str] = (),
    planned: Callable[[str], Array] | None = None,
) -> tuple[Cause, ...]:
    """The causes of one layer's difference. Both sides run once more; the layer alone runs for every trial.

    ``planned`` gives, by name, what a tensor of the target should hold, where its file may hold something else.
    """
    with source.scratch():
        evidence = gather(source, target, probe, diff, tolerance, skip=skip, planned=planned)
        return _sorted(_of_layer(evidence))


def _of_layer(evidence: Evidence) -> Iterator[Cause]:
    """What lies before the layer where the two read different things, else the layer itself."""
    if evidence.alignment is None:
        found = [*exchanged_layers(evidence)]
        yield from found or between_causes(evidence)
        return
    found = [*batch_statistics(evidence), *attribute_causes(evidence)]
    if not any(cause.confirmed for cause in found):
        found += tensor_causes(evidence)
    if not any(cause.confirmed for cause in found):
        found += _of_outputs(evidence.gave, evidence.ends, evidence.tolerance, f"behind {evidence.names[0]}")
    yield from found


def _sorted(causes: Iterator[Cause]) -> tuple[Cause, ...]:
    return tuple(sorted(causes, key=lambda cause: not cause.confirmed))


def diagnose_outputs(
    one: Sequence[Array], other: Sequence[Array], ends: tuple[str, str], tolerance: Tolerance
) -> tuple[Cause, ...]:
    """The causes where every mapped layer agrees and the outputs do not: something behind the last layer."""
    if len(one) != len(other):
        return ()
    pairs = [pair for pair in zip(one, other, strict=True) if not compare(*pair, tolerance)]
    return _sorted(_of_outputs(pairs[0], ends, tolerance, "behind the last layer")) if pairs else ()


def _of_outputs(gave: tuple[Array, Array], ends: tuple[str, str], tolerance: Tolerance, where: str) -> Iterator[Cause]:
    """A function that makes one side's output the other's: an activation, another order, a constant."""
    one, other = (array.astype(np.float64) for array in gave)
    if one.shape != other.shape or not (np.isfinite(one).all() and np.isfinite(other).all()):
        return
    here, there = ends
    for has, lacks, expected, plain in ((here, there, one, other), (there, here, other, one)):
        for name, function in ACTIVATIONS.items():
            if compare(expected, function(plain), tolerance):
                word = "probabilities against logits" if name == "softmax" else "missing activation"
                yield Cause(
                    cause=word,
                    detail=f"{has} computes a {name} {where}; {lacks} does not.",
                    confirmed=True,
                    change=f"remove it from {has}, or add it to {lacks}"
                    + ('; a table says it with output = "probabilities"' if name == "softmax" else ""),
                )
                return
    yield from _in_another_order(one, other, ends, tolerance)


def _in_another_order(one: Array, other: Array, ends: tuple[str, str], tolerance: Tolerance) -> Iterator[Cause]:
    """The same columns elsewhere, or all values moved by one number."""
    here, there = ends
    if one.ndim == 2:
        order = [_column(column, other, tolerance) for column in one.T]
        if None not in order and len(set(order)) == len(order):
            yield Cause(
                cause="permuted outputs",
                detail=f"{there}'s outputs are {here}'s in the order {', '.join(map(str, order))}.",
                confirmed=True,
                change=f"undo the permutation in {there}",
            )
            return
    shift = float(np.median(other - one))
    if compare(one, other - shift, tolerance):
        yield Cause(
            cause="constant offset",
            detail=f"{there}'s outputs are {here}'s plus {shift:g}.",
            confirmed=True,
            change=f"look at what {there} adds behind its last layer",
        )


def _column(column: Array, among: Array, tolerance: Tolerance) -> int | None:
    return next((index for index, found in enumerate(among.T) if compare(column, found, tolerance)), None)
