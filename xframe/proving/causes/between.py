"""Causes that lie between the layers: an activation, a pool or a sum that only one side has, or has otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from xframe.proving.causes.alignment import border, padded, without
from xframe.proving.causes.cause import Cause
from xframe.proving.causes.evidence import Evidence
from xframe.proving.causes.functions import ACTIVATIONS, flattened
from xframe.proving.causes.modules import modules
from xframe.proving.causes.paths import Path, path, sums
from xframe.tensors import Array

UNKNOWN = "something between the layers"
_POOLED = 3  # layers before, behind which a pool is looked for
_GELUS = {"exact gelu", "gelu by tanh"}
_SLOPED = "leaky relu"


def between_causes(evidence: Evidence) -> Iterator[Cause]:
    """What both sides compute before the layer, where the two are not the same. Confirmed where both are recognised."""
    ways = []
    for index, (name, gave) in enumerate(evidence.before):
        one, other = (path(evidence, gave, read, pooled=index < _POOLED) for read in evidence.read)
        ways.append((name, one, other))
        if one and other and one != other:
            yield _cause(evidence, name, one, other)
            return
    summed = _with_sums(evidence, ways)
    if summed is not None:
        yield _cause(evidence, *summed)
        return
    found = next(_elementwise(evidence), None)
    if found is not None:
        yield found
        return
    half = next(((name, one, other) for name, one, other in ways if one or other), None)
    if half is not None:
        yield _cause(evidence, *half)


Way = tuple[str, Path | None, Path | None]


def _with_sums(evidence: Evidence, ways: list[Way]) -> Way | None:
    """A way that was recognised on one side, and a sum on the other."""
    for index, (name, one, other) in enumerate(ways):
        if (one is None) == (other is None):
            continue
        found = sums(evidence, index, evidence.read[0 if one is None else 1])
        if found is not None:
            return name, one or found, other or found
    return None


def _cause(evidence: Evidence, name: str, one: Path | None, other: Path | None) -> Cause:
    here, there = evidence.ends
    where, (ours, theirs) = evidence.between(name), modules(evidence, name)
    said = [str(way) if way is not None else "something that was not recognised" for way in (one, other)]
    return Cause(
        cause=_word(one, other),
        detail=f"{where}, {here} computes {said[0]}{ours}; {there} computes {said[1]}{theirs}.",
        confirmed=one is not None and other is not None,
        change=f"make {there} compute {said[0]} {where}" if one is not None else f"look at {there} {where}",
    )


def _word(one: Path | None, other: Path | None) -> str:
    if one is None or other is None:
        return UNKNOWN
    if one.added != other.added:
        return "missing sum"
    words = [_activation_word(one.activation, other.activation)] if one.activation != other.activation else []
    return " and ".join([*words, *(["pooling"] if one.pool != other.pool else [])]) or "layout"


def _activation_word(one: str, other: str) -> str:
    if not one or not other:
        return "missing activation"
    if {one, other} == _GELUS:
        return "approximation"
    return "slope" if one.startswith(_SLOPED) and other.startswith(_SLOPED) else "activation"


def _elementwise(evidence: Evidence) -> Iterator[Cause]:
    """An activation that makes what one side reads the other's, wherever the two come from."""
    one, other = evidence.read
    if one.shape != other.shape:
        return
    where = evidence.between(evidence.before[0][0] if evidence.before else "the input")
    here, there = evidence.ends
    for name, function in ACTIVATIONS.items():
        for lacks, has, applied, expected in ((there, here, other, one), (here, there, one, other)):
            if evidence.same(expected, function(applied)):
                yield Cause(
                    cause="missing activation",
                    detail=f"{has} computes {name} {where}; {lacks} does not.",
                    confirmed=True,
                    change=f"add {name} to {lacks} {where}, or remove {has}'s",
                )


def fed_alike(evidence: Evidence) -> tuple[bool, Evidence]:
    """Whether the target's layer agrees when it reads what the source's did; and the evidence of that.

    What is read is laid out for the target: its own zeros around the maps, its own order of a flatten.
    """
    laid = list(_as_the_target_reads(evidence))
    agreeing = next((read for read in laid if evidence.target_gives_reading(read)), None)
    read = laid[-1] if agreeing is None else agreeing
    return agreeing is not None, replace(evidence, read=(evidence.read[0], read))


def _as_the_target_reads(evidence: Evidence) -> Iterator[Array]:
    one, other = evidence.read
    yield one
    if one.ndim == other.ndim > 2:
        yield padded(without(one, border(one)), border(other))
    elif one.ndim == 2:
        for channels, height, width in evidence.maps:
            yield flattened(one.reshape(-1, channels, height, width), "h w c")
            yield one.reshape(-1, height, width, channels).transpose(0, 3, 1, 2).reshape(len(one), -1)
