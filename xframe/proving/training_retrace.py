"""The lockstep once more, with gradients and optimizer states looked at: what each step does at the same weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from xframe.comparison import Comparison, Tolerance, compare
from xframe.proving.optimizer_causes import RTOL, Update
from xframe.proving.optimizer_rules import rule_of
from xframe.proving.training_lockstep import Course
from xframe.proving.training_pairs import ROUNDING, Moment, Pair, carried, solved
from xframe.proving.training_precision import Precision
from xframe.proving.training_sides import Arrays, Batch, OptimizerState

EPSILON, POOLS = "epsilon in float32", "average pools in float32"
_NOISE = 64 * ROUNDING  # of the step's largest gradient: what a sum that cancels, a bias's before a norm, is left with
_NOT_REACHED = Comparison(
    max_abs=float("inf"), max_rel=float("inf"), passed=False, reason="the loss reaches it on one side only"
)


@dataclass(frozen=True, slots=True)
class Apart:
    """A loss, gradient or running statistic that is another at the same weights: after which step, and how far."""

    step: int
    what: str
    name: str
    comparison: Comparison


@dataclass(frozen=True, slots=True)
class Allowed:
    """The gradient that differs most by what one side rounds; allowing for it, it agrees within the tolerance."""

    step: int
    name: str
    found: float


@dataclass(frozen=True, slots=True)
class Feed:
    """One step: the source's weights as they were before it, on either side."""

    number: int
    batch: Batch
    here: Arrays
    there: Arrays


@dataclass(slots=True)
class Retrace:
    """What was seen. ``disobeyed`` holds, by side, all updates of the first step in which one broke its rule.

    ``updates`` are both sides', by their own names, in the step ``at``; ``gradients`` the largest relative difference
    of those that agree.
    """

    at: int
    apart: list[Apart] = field(default_factory=list)
    allowed: dict[str, Allowed] = field(default_factory=dict)
    disobeyed: dict[int, list[Update]] = field(default_factory=dict)
    updates: list[dict[str, Update]] = field(default_factory=list)
    gradients: float = 0.0


def retrace(course: Course, precision: Precision | None, at: int) -> Retrace:
    """All steps again, from the start. Before each the target is fed the source's weights for one pass."""
    found = Retrace(at)
    course.restart()
    source, target = course.ends
    with source.side.scratch():
        held: list[Arrays] = [end.tensors()() for end in course.ends]
    for number, batch in enumerate(course.batches, 1):
        with source.side.scratch():
            slots = [end.slots() for end in course.ends]
            feed = Feed(number, batch, held[0], _fed(course, held[0]))
            passed = target.gradients(batch, feed.there)()
            waiting = source.step(batch, keep=True), target.step(batch, keep=True)
            ours, theirs = (wait() for wait in waiting)
            reading = source.tensors(), target.tensors()
            after = [read() for read in reading]
            _look_at_loss(found, course.tolerance, number, ours.loss, passed.loss)
            _look_at_statistics(found, course, number, Moment(held[0], after[0]), Moment(feed.there, passed.tensors))
            _look_at_gradients(found, course, precision, feed, ours.gradients, passed.gradients)
            for side, gradients in enumerate((ours.gradients, theirs.gradients)):
                _look_at_updates(found, course, side, _updates(number, held[side], after[side], gradients, slots[side]))
            held = after
    return found


def _fed(course: Course, here: Arrays) -> Arrays:
    """The source's tensors as the target's; what the target has alone stays as it was at the start."""
    own = {step.target.name: course.ends[1].start[step.target.name] for step in course.plan.filled}
    return {**own, **{pair.target: carried(pair.move, here.__getitem__) for pair in course.pairs}}


def _look_at_loss(found: Retrace, tolerance: Tolerance, number: int, ours: float, theirs: float) -> None:
    comparison = compare(np.array([ours]), np.array([theirs]), tolerance)
    if not comparison:
        found.apart.append(Apart(number, "loss", "loss", comparison))


def _look_at_statistics(found: Retrace, course: Course, number: int, here: Moment, there: Moment) -> None:
    for pair in course.pairs:
        if pair.shares is not None and not (comparison := solved(pair, here, there, course.tolerance)):
            found.apart.append(Apart(number, "statistic", pair.target, comparison))


def _look_at_gradients(
    found: Retrace, course: Course, precision: Precision | None, feed: Feed, ours: Arrays, theirs: Arrays
) -> None:
    """Compare as they stand; those that differ, once more with what one side rounds put into the other."""
    apart = _different(found, course, course.pairs, ours, theirs)
    if precision is not None and apart and precision.epsilons:
        end, tensors = course.ends[1 - precision.side], (feed.there, feed.here)[precision.side]
        trial = end.gradients(feed.batch, tensors, precision.epsilons)().gradients
        ours, theirs = (ours, trial) if precision.side == 0 else (trial, theirs)
        still = _different(found, course, [pair for pair, _ in apart], ours, theirs)
        _allow(found, EPSILON, feed.number, apart, still)
        apart = still
    if precision is not None and apart:
        scales = {pair.target: _scale_of(course, precision, pair, ours, theirs) for pair, _ in apart}
        still = [entry for entry in apart if scales[entry[0].target] is None]
        _allow(found, POOLS, feed.number, apart, still)
        apart = still
    found.apart.extend(Apart(feed.number, "gradient", pair.target, comparison) for pair, comparison in apart)


def _different(
    found: Retrace, course: Course, pairs: Iterable[Pair], ours: Arrays, theirs: Arrays
) -> list[tuple[Pair, Comparison]]:
    """Pairs whose gradients are not the same; one that only one side has never is."""
    floor = _NOISE * max((float(np.abs(array).max(initial=0.0)) for array in ours.values()), default=0.0)
    tolerance = replace(course.tolerance, atol=course.tolerance.atol + floor)
    apart = []
    for pair in pairs:
        has = pair.source in ours, pair.target in theirs
        if not any(has):
            continue
        comparison = _NOT_REACHED if not all(has) else _compared(pair, ours, theirs, tolerance)
        if not comparison:
            apart.append((pair, comparison))
        elif comparison.max_abs > floor:
            found.gradients = max(found.gradients, comparison.max_rel)
    return apart


def _compared(pair: Pair, ours: Arrays, theirs: Arrays, tolerance: Tolerance, scale: float = 1.0) -> Comparison:
    """A gradient moves as its tensor does."""
    expected = pair.move.rearrangement.apply(ours[pair.source].astype(np.float64))
    return compare(expected * scale, theirs[pair.target], tolerance)


def _allow(
    found: Retrace, why: str, number: int, before: list[tuple[Pair, Comparison]], after: list[tuple[Pair, Comparison]]
) -> None:
    """Note the worst gradient that was apart before and is not any more."""
    left = {pair.target for pair, _ in after}
    settled = [(comparison.max_rel, pair.target) for pair, comparison in before if pair.target not in left]
    if settled and (why not in found.allowed or found.allowed[why].found < max(settled)[0]):
        worst, name = max(settled)
        found.allowed[why] = Allowed(number, name, worst)


def _scale_of(course: Course, precision: Precision, pair: Pair, ours: Arrays, theirs: Arrays) -> float | None:
    """The product of pools' factors that makes one gradient the other; None where there is none."""
    if pair.source not in ours or pair.target not in theirs:
        return None
    for factor in precision.factors:
        scale = factor if precision.side == 1 else 1 / factor
        if _compared(pair, ours, theirs, course.tolerance, scale):
            return factor
    return None


def _updates(number: int, before: Arrays, after: Arrays, gradients: Arrays, slots: OptimizerState) -> list[Update]:
    """Every tensor that a gradient reached; ``number`` counts from the start of the course."""
    return [
        Update(
            name=name,
            at=number,
            step=slots.step + 1,
            before=before[name],
            after=after[name],
            gradient=gradient,
            slots=slots.of(name),
        )
        for name, gradient in gradients.items()
    ]


def _look_at_updates(found: Retrace, course: Course, side: int, updates: list[Update]) -> None:
    end = course.ends[side]
    rule = rule_of(end.framework, end.optimizer)
    if side not in found.disobeyed and any(update.off(rule) > RTOL for update in updates):
        found.disobeyed[side] = updates
    if updates and updates[0].at == found.at:
        found.updates.append({update.name: update for update in updates})
