"""Running statistics of batch norms: what both sides do differently by right, and was allowed for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from xframe.proving.training.lockstep import Course, Lockstep
from xframe.proving.training.pairs import Pair
from xframe.proving.training.result import Cause

_ALIKE = 1e-9  # two shares that differ by less are one


def momenta(course: Course, pairs: Sequence[Pair]) -> Iterable[Cause]:
    """Layers whose momentum is another on either side; confirmed by statistics that obey each side's own."""
    source, target = (end.side.implementation.name for end in course.ends)
    for pair in pairs:
        assert pair.norms is not None
        ours, theirs = pair.norms
        assert ours.said is not None
        assert theirs.said is not None
        if pair.role != "mean" or abs(ours.said - theirs.said) <= _ALIKE:
            continue
        layer = ours.layer if ours.layer == theirs.layer else f"{ours.layer} / {theirs.layer}"
        detail = (
            f"{layer}: a batch's share of the running statistics is {ours.said:g} in {source}, {theirs.said:g} in "
            f"{target} (1 − momentum in paddle and keras); each side obeys its own"
        )
        yield Cause(cause="batch norm momentum", detail=detail, confirmed=True, names=(ours.layer, theirs.layer))


def statistics(course: Course, walked: Lockstep, pairs: Sequence[Pair]) -> Iterable[Cause]:
    """Frameworks' conventions that set running statistics apart: N against N − 1, and momentum in float32."""
    sides = [end.side.implementation.name for end in course.ends]
    unbiased = [pair for pair in pairs if pair.factor != 1.0]
    if unbiased:
        ours = unbiased[0].norms
        assert ours is not None
        one, other = sides if ours[0].unbiased else sides[::-1]
        counts = sorted({pair.count for pair in unbiased})
        shown = ", ".join(map(str, counts))
        yield _accounted(
            "N − 1",
            f"running variances: {one} divides by N − 1, {other} by N (N = {shown}); with the factor they agree",
            walked,
            unbiased,
        )
    rounded = [pair for pair in pairs if _rounded(pair)]
    if rounded:
        yield _accounted(
            "momentum in float32",
            "running statistics: paddle keeps a batch norm's momentum in float32; with the rounded one they agree",
            walked,
            rounded,
        )


def _rounded(pair: Pair) -> bool:
    assert pair.norms is not None
    one, other = ((norm.said, norm.share) for norm in pair.norms)
    return (one[0] != one[1]) != (other[0] != other[1])


def _accounted(cause: str, detail: str, walked: Lockstep, pairs: Sequence[Pair]) -> Cause:
    raw = max(walked.statistics[pair.target][0].max_rel for pair in pairs)
    found = raw if walked.parting is None else None  # else it is the weights' doing too
    names = tuple(dict.fromkeys(pair.norms[1].layer for pair in pairs if pair.norms is not None))
    return Cause(cause=cause, detail=detail, confirmed=True, names=names, found=found)
