"""The lockstep once more, with gradients and optimizer states looked at: what each step does at the same weights."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from xframe.comparison import Comparison, Tolerance, compare
from xframe.planning import carried
from xframe.proving.optimizers.causes import RTOL, Trait, Update, traits
from xframe.proving.optimizers.rules import Slots, rule_of
from xframe.proving.training.lockstep import Course
from xframe.proving.training.pairs import ROUNDING, Moment, Pair, solved
from xframe.proving.training.precision import Precision
from xframe.proving.training.sides import Arrays, Batch, OptimizerState
from xframe.tensors import Array

EPSILON, POOLS = "epsilon in float32", "average pools in float32"
_NOISE = 64 * ROUNDING  # of the step's largest gradient: what a sum that cancels, a bias's before a norm, is left with
_SETTLES = 10.0  # times smaller: a trial that does less explains nothing
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
    """The gradient that differs most by what one side rounds, and how much is left of that when it is allowed for.

    ``first`` is the first step in which that was so, ``step`` the one of the largest difference.
    """

    first: int
    step: int
    name: str
    found: float
    left: float


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
    of a gradient until then, as it stands. ``shadows`` are the source's weights after that step if one trait of its
    rule had been the target's from the start, by trait and tensor.
    """

    at: int
    apart: list[Apart] = field(default_factory=list)
    allowed: dict[str, Allowed] = field(default_factory=dict)
    disobeyed: dict[int, list[Update]] = field(default_factory=dict)
    updates: list[dict[str, Update]] = field(default_factory=list)
    gradients: float = 0.0
    shadows: dict[str, dict[str, Array]] = field(default_factory=dict)
    slots: dict[str, dict[str, Slots]] = field(default_factory=dict)  # theirs


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
            _look_at_gradients(found, course, precision, feed, (ours.gradients, passed.gradients))
            for side, gradients in enumerate((ours.gradients, theirs.gradients)):
                _look_at_updates(found, course, side, _updates(number, held[side], after[side], gradients, slots[side]))
            held = after
    return found


def _fed(course: Course, here: Arrays) -> Arrays:
    """The source's tensors as the target's; what the target has alone stays as it was at the start."""
    own = {step.target.name: course.ends[1].start[step.target.name] for step in course.plan.filled}
    return {**own, **{pair.target: carried(pair.move, here.__getitem__, folds=True) for pair in course.pairs}}


def _look_at_loss(found: Retrace, tolerance: Tolerance, number: int, ours: float, theirs: float) -> None:
    comparison = compare(np.array([ours]), np.array([theirs]), tolerance)
    if not comparison:
        found.apart.append(Apart(number, "loss", "loss", comparison))


def _look_at_statistics(found: Retrace, course: Course, number: int, here: Moment, there: Moment) -> None:
    for pair in course.pairs:
        if pair.shares is not None and not (comparison := solved(pair, here, there, course.tolerance)):
            found.apart.append(Apart(number, "statistic", pair.target, comparison))


def _look_at_gradients(
    found: Retrace, course: Course, precision: Precision | None, feed: Feed, taken: tuple[Arrays, Arrays]
) -> None:
    """Compare as they stand; where they differ, and until the step of interest, with what one side rounds put into the
    other too.
    """
    ours, theirs = taken
    seen = _Gradients.of(course, ours, theirs)
    if feed.number <= found.at:
        found.gradients = max(found.gradients, seen.worst[0])
    if precision is not None and precision.epsilons and (seen.apart or feed.number <= found.at):
        end, tensors = course.ends[1 - precision.side], (feed.there, feed.here)[precision.side]
        trial = end.gradients(feed.batch, tensors, precision.epsilons)().gradients
        ours, theirs = (ours, trial) if precision.side == 0 else (trial, theirs)
        seen = _allow(found, EPSILON, feed.number, seen, _Gradients.of(course, ours, theirs))
    if precision is not None and seen.apart:
        scales = {pair.target: _scale_of(course, precision, pair, ours, theirs) for pair, _ in seen.apart}
        left = [entry for entry in seen.apart if scales[entry[0].target] is None]
        agreeing = max((comparison.max_rel for _, comparison in left), default=0.0)
        seen = _allow(found, POOLS, feed.number, seen, _Gradients(left, (agreeing, "")))
    found.apart.extend(Apart(feed.number, "gradient", pair.target, comparison) for pair, comparison in seen.apart)


@dataclass(frozen=True, slots=True)
class _Gradients:
    """All gradients of a pass, compared: those that are apart, and the largest relative difference with its tensor."""

    apart: list[tuple[Pair, Comparison]]
    worst: tuple[float, str]

    @classmethod
    def of(cls, course: Course, ours: Arrays, theirs: Arrays) -> _Gradients:
        floor = _NOISE * max((float(np.abs(array).max(initial=0.0)) for array in ours.values()), default=0.0)
        tolerance = replace(course.tolerance, atol=course.tolerance.atol + floor)
        apart, worst = [], (0.0, "")
        for pair in course.pairs:
            has = pair.is_in(ours), pair.target in theirs
            if not any(has):
                continue
            comparison = _compared(pair, ours, theirs, tolerance) if all(has) else _NOT_REACHED
            if not comparison:
                apart.append((pair, comparison))
            if comparison.max_abs > floor:
                worst = max(worst, (comparison.max_rel, pair.target))
        return cls(apart, worst)


def _compared(pair: Pair, ours: Arrays, theirs: Arrays, tolerance: Tolerance, scale: float = 1.0) -> Comparison:
    """A gradient moves as its tensor does."""
    return compare(pair.carried(ours) * scale, theirs[pair.target], tolerance)


def _allow(found: Retrace, why: str, number: int, before: _Gradients, after: _Gradients) -> _Gradients:
    """Note what a trial settles: ``after`` where it does, else ``before``."""
    if after.worst[0] > before.worst[0] / _SETTLES:
        return before
    kept = found.allowed.get(why)
    if kept is None or before.worst[0] > kept.found:
        first = number if kept is None else kept.first
        found.allowed[why] = Allowed(first, number, before.worst[1], before.worst[0], after.worst[0])
    return after


def _scale_of(course: Course, precision: Precision, pair: Pair, ours: Arrays, theirs: Arrays) -> float | None:
    """The product of pools' factors that makes one gradient the other; None where there is none."""
    if not pair.is_in(ours) or pair.target not in theirs:
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
    rule = rule_of(course.ends[side].framework, course.ends[side].optimizer)
    if side not in found.disobeyed and any(update.off(rule) > RTOL for update in updates):
        found.disobeyed[side] = updates
    if side == 0 and updates and updates[0].at <= found.at:
        for trait in traits_of(course):
            _cast(found, trait, updates)
    if updates and updates[0].at == found.at:
        found.updates.append({update.name: update for update in updates})


def traits_of(course: Course) -> list[Trait]:
    """The points in which the two sides' rules differ."""
    ours, theirs = (rule_of(end.framework, end.optimizer) for end in course.ends)
    return traits(ours, theirs, (course.ends[0].side.implementation.name, course.ends[1].side.implementation.name))


def _cast(found: Retrace, trait: Trait, updates: list[Update]) -> None:
    """A trait's shadow, one step on: the same gradients, another rule."""
    weights, slots = found.shadows.setdefault(trait.name, {}), found.slots.setdefault(trait.name, {})
    for update in updates:
        before = weights.get(update.name, update.before), slots.get(update.name, update.slots)
        try:
            moved = trait.instead.advance(update.step, before[0], update.gradient, before[1])
        except KeyError:  # another optimizer altogether keeps another state
            continue
        weights[update.name], slots[update.name] = moved
