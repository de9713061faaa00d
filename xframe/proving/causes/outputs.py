"""Causes behind a layer or behind the last one: a function that makes one side's output the other's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from xframe.comparison import Tolerance, compare
from xframe.proving.causes.cause import Cause, in_order
from xframe.proving.causes.functions import ACTIVATIONS
from xframe.tensors import Array

LAST = "behind the last layer"
Ends = tuple[str, str]


def diagnose_outputs(
    one: Sequence[Array], other: Sequence[Array], ends: Ends, tolerance: Tolerance
) -> tuple[Cause, ...]:
    """The causes where every mapped layer agrees and the outputs do not: something behind the last layer."""
    if len(one) != len(other):
        return in_order(_another_number(one, other, ends, tolerance))
    pairs = [pair for pair in zip(one, other, strict=True) if not compare(*pair, tolerance)]
    return in_order(of_outputs(pairs[0], ends, tolerance, LAST)) if pairs else ()


def of_outputs(gave: tuple[Array, Array], ends: Ends, tolerance: Tolerance, where: str) -> Iterator[Cause]:
    """A function that makes one side's output the other's: an activation, another shape or order, a constant."""
    one, other = (array.astype(np.float64) for array in gave)
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        return
    if one.shape != other.shape:
        yield from _in_another_shape(one, other, ends, tolerance)
        return
    here, there = ends
    for has, lacks, expected, plain in ((here, there, one, other), (there, here, other, one)):
        for name, function in ACTIVATIONS.items():
            if compare(expected, function(plain), tolerance):
                word = "probabilities against logits" if name == "softmax" else "missing activation"
                yield Cause(
                    cause=word,
                    detail=f"{has} computes {name} {where}; {lacks} does not.",
                    confirmed=True,
                    change=f"remove it from {has}, or add it to {lacks}"
                    + ('; if it is meant, say output = "probabilities" in the table' if name == "softmax" else ""),
                )
                return
    yield from _in_another_order(one, other, ends, tolerance)


def _another_number(one: Sequence[Array], other: Sequence[Array], ends: Ends, tolerance: Tolerance) -> Iterator[Cause]:
    """Some outputs on both sides, more on one; confirmed where those that both have agree."""
    agree = all(compare(*pair, tolerance) for pair in zip(one, other, strict=False))
    here, there = ends
    which = "the ones that both have agree" if agree else "and not even the first agree"
    yield Cause(
        cause="number of outputs",
        detail=f"{here} returns {len(one)}, {there} {len(other)}; {which}.",
        confirmed=agree,
        change=f"let {there if len(other) > len(one) else here} return {min(len(one), len(other))} of its outputs",
    )


def _in_another_shape(one: Array, other: Array, ends: Ends, tolerance: Tolerance) -> Iterator[Cause]:
    """The same values, with axes of length 1 more or less."""
    here, there = ends
    agree = bool(compare(one.squeeze(), other.squeeze(), tolerance))
    yield Cause(
        cause="shape",
        detail=f"{here} returns {list(one.shape)}, {there} {list(other.shape)}"
        + ("; without their axes of length 1 the two agree." if agree else "."),
        confirmed=agree,
        change=f"let {there} return {list(one.shape)}",
    )


def _in_another_order(one: Array, other: Array, ends: Ends, tolerance: Tolerance) -> Iterator[Cause]:
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
    most = float(np.abs(other - one).max(initial=0.0))
    if abs(shift) > most / 2 and compare(one, other - shift, tolerance):
        yield Cause(
            cause="constant offset",
            detail=f"{there}'s outputs are {here}'s plus {shift:g}.",
            confirmed=True,
            change=f"look at what {there} adds {LAST}",
        )


def _column(column: Array, among: Array, tolerance: Tolerance) -> int | None:
    return next((index for index, found in enumerate(among.T) if compare(column, found, tolerance)), None)
