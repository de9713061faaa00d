"""Gradients of both sides in float64 from one cotangent: of every parameter, through the table, and of the input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xframe.comparison import Comparison, Tolerance, compare
from xframe.errors import Problem
from xframe.planning import Join, Move, PortPlan, carried
from xframe.proving.sides import Side
from xframe.tensors import Array

INPUT = "input"
NOISE = 1e-14  # of the largest gradient of any parameter: some fifty units in its last place


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientDiff:
    """One tensor's gradient on both sides, under their names; the input's has the name "input" on both."""

    source_name: str
    target_name: str
    comparison: Comparison

    def to_json(self) -> dict[str, Any]:
        found = {"source_name": self.source_name, "target_name": self.target_name, **self.comparison.to_json()}
        return {**found, "reason": self.comparison.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradients:
    """Every gradient that both sides have, and tensors that only one side gives a gradient to, or would move."""

    diffs: tuple[GradientDiff, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.problems and all(diff.comparison for diff in self.diffs)

    def __str__(self) -> str:
        worst = f"{self.worst.source_name} / {self.worst.target_name}: {self.worst.comparison}"
        lines = [f"gradients {'agree' if self else 'differ'}: {len(self.diffs)} compared, the worst is {worst}"]
        return "\n".join([*lines, *(f"  {problem}" for problem in self.problems)])

    @property
    def worst(self) -> GradientDiff:
        """The one that is furthest apart, relatively."""
        return max(self.diffs, key=lambda diff: (not diff.comparison.passed, diff.comparison.max_rel))

    @property
    def failed(self) -> tuple[GradientDiff, ...]:
        return tuple(diff for diff in self.diffs if not diff.comparison)

    def to_json(self) -> dict[str, Any]:
        return {
            "agree": bool(self),
            "compared": len(self.diffs),
            "worst": self.worst.to_json(),
            "failed": [diff.to_json() for diff in self.failed],
            "notes": list(self.notes),
            "problems": [problem.to_json() for problem in self.problems],
        }


def diff_gradients(
    sides: tuple[Side, Side], plan: PortPlan, probe: Array, cotangents: Sequence[Array], tolerance: Tolerance
) -> Gradients:
    """Of all outputs times their cotangents, channels first as outputs are, summed.

    Tensors that the port fills, drops or folds have no counterpart and are left out.
    """
    source, target = sides
    asked = source.gradients(probe, cotangents), target.gradients(probe, cotangents)
    here, there = asked[0](), asked[1]()
    diffs = list(_over_noise([*_tensors(plan, here.tensors, there.tensors, tolerance)], here.tensors.values()))
    at_input = GradientDiff(
        source_name=INPUT, target_name=INPUT, comparison=compare(here.at_input, there.at_input, tolerance)
    )
    return Gradients(
        diffs=(*diffs, at_input),
        problems=(*_missing(plan, here.tensors, there.tensors), *_frozen(plan, source, target)),
        notes=tuple(dict.fromkeys((*here.notes, *there.notes))),
    )


def _over_noise(diffs: Sequence[GradientDiff], gradients: Iterable[Array]) -> Iterator[GradientDiff]:
    """Differences below NOISE of the largest gradient are none: both sides round where the gradient is 0.

    A softmax does not see what is added to all of its inputs, for one: the bias of attention's keys has no gradient.
    """
    largest = max((float(np.abs(array).max(initial=0.0)) for array in gradients), default=0.0)
    for diff in diffs:
        found = diff.comparison
        if not found.passed and not found.reason and found.max_abs <= NOISE * largest:
            found = replace(found, passed=True, max_rel=found.max_abs / largest)
        yield replace(diff, comparison=found)


def random_cotangents(outputs: Sequence[Array], seed: int) -> list[Array]:
    """Standard normal ones of the outputs' shapes."""
    random = np.random.default_rng([seed, len(outputs)])
    return [random.standard_normal(output.shape) for output in outputs]


def _tensors(
    plan: PortPlan, here: dict[str, Array], there: dict[str, Array], tolerance: Tolerance
) -> Iterator[GradientDiff]:
    for step in trained(plan):
        other = there.get(step.target.name)
        if other is None or any(piece.source.name not in here for piece in step.pieces):
            continue  # told of as a problem, where only one side has none
        flown = carried(step, here.__getitem__)
        yield GradientDiff(
            source_name=_sources(step), target_name=step.target.name, comparison=compare(flown, other, tolerance)
        )


def trained(plan: PortPlan) -> Iterator[Move | Join]:
    """Steps that a gradient is for: running statistics have one on some frameworks, and none on others."""
    return (step for step in plan.moves if step.entry.tensor.role not in ("mean", "variance"))


def _sources(step: Move | Join) -> str:
    return ", ".join(dict.fromkeys(piece.source.name for piece in step.pieces))


def _missing(plan: PortPlan, here: dict[str, Array], there: dict[str, Array]) -> Iterator[Problem]:
    """Tensors of which one side alone gives no gradient."""
    for step in trained(plan):
        ends = all(piece.source.name in here for piece in step.pieces), step.target.name in there
        if ends[0] != ends[1]:
            lacks, gives = (plan.target, plan.source) if ends[0] else (plan.source, plan.target)
            detail = f"{gives} gives a gradient for it, {lacks} gives none"
            yield Problem(kind="gradient", tensor=step.target.name, detail=detail)


def _frozen(plan: PortPlan, source: Side, target: Side) -> Iterator[Problem]:
    """Tensors that an optimizer would move on one side alone."""
    here, there = set(source.trainable()), set(target.trainable())
    for step in plan.moves:
        ends = all(piece.source.name in here for piece in step.pieces), step.target.name in there
        if ends[0] != ends[1]:
            moves, still = (plan.source, plan.target) if ends[0] else (plan.target, plan.source)
            yield Problem(
                kind="frozen",
                tensor=step.target.name,
                detail=f"{moves} would train it, {still} has it frozen or as a buffer",
                suggestion=f"look at requires_grad, stop_gradient or trainable in {still}",
            )
