"""Causes that lie between the layers: an activation, a pool or a flatten that only one side has, or has otherwise."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xframe.proving.causes.cause import Cause
from xframe.proving.causes.evidence import Evidence
from xframe.proving.causes.functions import ACTIVATIONS, Pool, flattened, leaky, pools
from xframe.tensors import Array

_LARGEST = 2**22  # values; larger maps are not searched


@dataclass(frozen=True, slots=True)
class Path:
    """What lies between a layer's output and another's input: an activation, then a pool."""

    activation: str = ""
    pool: Pool | None = None

    def __str__(self) -> str:
        return ", then ".join(str(part) for part in (self.activation, self.pool) if part) or "nothing"


def between_causes(evidence: Evidence) -> Iterator[Cause]:
    """What both sides compute before the layer, where the two are not the same."""
    cause = next(elementwise(evidence, *evidence.read), None) or _by_paths(evidence)
    if cause is not None:
        yield cause


def elementwise(evidence: Evidence, one: Array, other: Array) -> Iterator[Cause]:
    """An activation that makes one side's array the other's."""
    if one.shape != other.shape:
        return
    where = _place(evidence)
    here, there = evidence.ends
    for name, function in ACTIVATIONS.items():
        for lacks, has, applied, expected in ((there, here, other, one), (here, there, one, other)):
            if evidence.same(expected, function(applied)):
                yield Cause(
                    cause="missing activation",
                    detail=f"{has} computes a {name} {where}; {lacks} does not.",
                    confirmed=True,
                    change=f"add a {name} to {lacks} {where}, or remove {has}'s",
                )
    slope = _slope(one, other)
    if slope is not None and evidence.same(one, leaky(slope)(other)):
        yield Cause(
            cause="slope",
            detail=f"{where}, the negative values of {here} are {slope:g} times those of {there}: leaky relus of "
            f"different slopes.",
            confirmed=True,
            change=f"give both leaky relus {where} the same slope",
        )


def _slope(one: Array, other: Array) -> float | None:
    """By how much the negative values of one are larger, if there are any."""
    negative = other < 0
    return float(np.median(one[negative] / other[negative])) if negative.any() else None


def _place(evidence: Evidence) -> str:
    last = evidence.before[0][0] if evidence.before else "the input"
    return f"between {last} and {evidence.names[0]}"


def _by_paths(evidence: Evidence) -> Cause | None:
    """Both sides' ways from one layer's output to this one's input, recognised by their values."""
    for name, gave in evidence.before:
        if gave.size > _LARGEST:
            continue
        found = [next(_paths(evidence, gave, read), None) for read in evidence.read]
        if any(found):
            return _cause(evidence, name, *found)
    return None


def _cause(evidence: Evidence, name: str, one: Path | None, other: Path | None) -> Cause:
    here, there = evidence.ends
    said = [str(path) if path is not None else "something that was not recognised" for path in (one, other)]
    where = f"between {name} and {evidence.names[0]}"
    return Cause(
        cause=_word(one, other),
        detail=f"{where}, {here} computes {said[0]}; {there} computes {said[1]}.",
        confirmed=one is not None and other is not None,
        change=f"make {there} compute {said[0]} {where}" if one is not None else f"look at {there} {where}",
    )


def _word(one: Path | None, other: Path | None) -> str:
    if one is None or other is None:
        return "something between the layers"
    if one.pool != other.pool:
        return "pooling"
    if not one.activation or not other.activation:
        return "missing activation"
    if {one.activation, other.activation} == {"exact gelu", "gelu by tanh"}:
        return "approximation"
    return "activation"


def _paths(evidence: Evidence, gave: Array, read: Array) -> Iterator[Path]:
    """Every way from ``gave`` to ``read`` that gives its values."""
    activated = itertools.chain([("", gave)], ((name, function(gave)) for name, function in ACTIVATIONS.items()))
    for name, values in activated:
        for pool, pooled in _pooled(values, read):
            if any(evidence.same(read, candidate) for candidate in _laid_out(pooled, read)):
                yield Path(name, pool)


def _pooled(values: Array, read: Array) -> Iterator[tuple[Pool | None, Array]]:
    yield None, values
    if values.ndim != 4:
        return
    for size in _sizes(values, read):
        for pool in pools(values.shape, (*values.shape[:2], *size)):
            yield pool, pool(values)


def _sizes(values: Array, read: Array) -> Iterator[tuple[int, int]]:
    """Heights and widths that pooled maps would have to have; a margin of padding may be around them."""
    if read.ndim == 4 and read.shape[1] == values.shape[1]:
        for margin in (0, 1, 2):
            yield read.shape[2] - margin, read.shape[3] - margin
    elif read.ndim == 2 and read.shape[1] % values.shape[1] == 0:
        area = read.shape[1] // values.shape[1]
        side = round(area**0.5)
        if side * side == area:
            yield side, side


def _laid_out(values: Array, read: Array) -> Iterator[Array]:
    """The values as the layer may read them: as they are, flattened, or with a margin of zeros."""
    if values.shape == read.shape:
        yield values
    elif values.ndim == 4 and read.ndim == 2 and values[0].size == read.shape[1]:
        yield flattened(values, "c h w")
        yield flattened(values, "h w c")
    elif values.ndim == read.ndim == 4 and values.shape[:2] == read.shape[:2]:
        yield from _with_margins(values, read)


def _with_margins(values: Array, read: Array) -> Iterator[Array]:
    height, width = (b - a for a, b in zip(values.shape[2:], read.shape[2:], strict=True))
    if 0 <= height <= 6 and 0 <= width <= 6:
        for top, left in {(height // 2, width // 2), (0, 0)}:
            yield np.pad(values, ((0, 0), (0, 0), (top, height - top), (left, width - left)))
