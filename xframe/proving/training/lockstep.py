"""Both sides, step by step on the same batches, every tensor compared after every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from xframe.comparison import Comparison, Tolerance, compare
from xframe.planning import PortPlan
from xframe.proving.training.pairs import Moment, Pair, raw, solved
from xframe.proving.training.result import Parting, StepParity
from xframe.proving.training.sides import Arrays, Batch, OptimizerState, TrainingSide


@dataclass(frozen=True, slots=True)
class Course:
    """What is trained, on what, and from where."""

    ends: tuple[TrainingSide, TrainingSide]
    plan: PortPlan
    pairs: tuple[Pair, ...]
    batches: tuple[Batch, ...]
    tolerance: Tolerance
    states: tuple[OptimizerState, OptimizerState] | None = None

    def restart(self) -> list[tuple[str, ...]]:
        """Both sides at the start; the dropout layers that are off."""
        states = self.states or (None, None)
        return [end.restart(state) for end, state in zip(self.ends, states, strict=True)]

    @property
    def first(self) -> int:
        """The number of the first step that an optimizer does here, less one."""
        return 0 if self.states is None else self.states[0].step

    @property
    def notes(self) -> tuple[str, ...]:
        """Tensors that are trained without a counterpart."""
        trained = set(self.ends[1].side.trainable())
        filled = [step.target.name for step in self.plan.filled if step.target.name in trained]
        folded = [drop.source.name for drop in self.plan.dropped if drop.folded]
        found = []
        if filled:
            found.append(f"trained in the target alone, so not compared: {', '.join(filled)}")
        if folded:
            found.append(
                f"folded into a running mean, so not compared: {', '.join(folded)}; a batch norm takes off whatever a "
                f"bias before it adds, and the mean is held against the target's with the bias taken off"
            )
        return tuple(found)


@dataclass(slots=True)
class Lockstep:
    """What was seen. ``statistics`` holds, by pair's target, the worst of its statistic as it stands, and as solved."""

    steps: tuple[StepParity, ...] = ()
    parting: Parting | None = None
    silenced: list[tuple[tuple[str, ...], int]] = field(default_factory=list)
    statistics: dict[str, tuple[Comparison, Comparison]] = field(default_factory=dict)
    still: tuple[set[str], set[str]] = field(default_factory=lambda: (set(), set()))  # tensors that have not moved


def lockstep(course: Course) -> Lockstep:
    """All steps. Files are removed after each, so that neither disk nor memory grows with them."""
    found = Lockstep()
    layers = course.restart()
    source, target = course.ends
    with source.side.scratch():
        held: list[Arrays] = [end.tensors()() for end in course.ends]
        starts = [end.start for end in course.ends]
        _compare_start(course, held, found)
    steps, calls = [], (0, 0)
    for number, batch in enumerate(course.batches, 1):
        with source.side.scratch():
            waiting = source.step(batch), target.step(batch)
            ours, theirs = (wait() for wait in waiting)
            reading = source.tensors(), target.tensors()
            after = [read() for read in reading]
            moments = [Moment(*pair) for pair in zip(held, after, strict=True)]
            steps.append(_compare(course, number, (ours.loss, theirs.loss), moments, found))
            held, calls = after, (ours.calls, theirs.calls)
    found.steps = tuple(steps)
    found.silenced = list(zip(layers, calls, strict=True))
    found.still = _still(starts[0], held[0]), _still(starts[1], held[1])
    return found


def _still(start: Arrays, now: Arrays) -> set[str]:
    return {name for name, array in now.items() if np.array_equal(start[name], array)}


def _compare_start(course: Course, held: Sequence[Arrays], found: Lockstep) -> None:
    for pair in course.pairs:
        _note(found, 0, pair.source, pair.target, raw(pair, held[0], held[1], course.tolerance))


def _compare(
    course: Course, number: int, losses: tuple[float, float], moments: Sequence[Moment], found: Lockstep
) -> StepParity:
    loss = compare(np.array([losses[0]]), np.array([losses[1]]), course.tolerance)
    _note(found, number, "loss", "loss", loss)
    worst, name = 0.0, ""
    here, there = moments
    for pair in course.pairs:
        plain = raw(pair, dict(here.after), dict(there.after), course.tolerance)
        if pair.shares is not None:
            _statistic(found, pair, plain, solved(pair, here, there, course.tolerance))
            continue
        _note(found, number, pair.source, pair.target, plain)
        if plain.max_rel >= worst:
            worst, name = plain.max_rel, pair.name
    return StepParity(step=number, losses=losses, tensor=name, max_rel=worst)


def _statistic(found: Lockstep, pair: Pair, plain: Comparison, batch: Comparison) -> None:
    before = found.statistics.get(pair.target)
    if before is not None:
        plain, batch = (max(two, key=_badness) for two in zip(before, (plain, batch), strict=True))
    found.statistics[pair.target] = (plain, batch)


def _badness(comparison: Comparison) -> tuple[bool, float]:
    return not comparison.passed, comparison.max_rel


def _note(found: Lockstep, step: int, source: str, target: str, comparison: Comparison) -> None:
    """Keep the first step's worst tensor."""
    first = found.parting
    if comparison or (first is not None and (first.step < step or first.max_rel >= comparison.max_rel)):
        return
    found.parting = Parting(
        step=step,
        source_name=source,
        target_name=target,
        max_abs=comparison.max_abs,
        max_rel=comparison.max_rel,
        reason=comparison.reason,
    )
