"""Gradients of both sides in float64 from one cotangent: of every parameter, through the table, and of the input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xframe.comparison import Comparison, Tolerance, compare
from xframe.errors import Problem
from xframe.planning import PortPlan
from xframe.proving.sides import Side
from xframe.tensors import Array

INPUT = "input"


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
    diffs = [*_tensors(plan, here.tensors, there.tensors, tolerance)]
    at_input = GradientDiff(
        source_name=INPUT, target_name=INPUT, comparison=compare(here.at_input, there.at_input, tolerance)
    )
    return Gradients(
        diffs=(*diffs, at_input),
        problems=tuple(_problems(plan, source, target)),
        notes=tuple(dict.fromkeys((*here.notes, *there.notes))),
    )


def random_cotangents(outputs: Sequence[Array], seed: int) -> list[Array]:
    """Standard normal ones of the outputs' shapes."""
    random = np.random.default_rng([seed, len(outputs)])
    return [random.standard_normal(output.shape) for output in outputs]


def _tensors(
    plan: PortPlan, here: dict[str, Array], there: dict[str, Array], tolerance: Tolerance
) -> Iterator[GradientDiff]:
    trained = _trained_roles(plan)
    for step in plan.moves:
        one, other = here.get(step.source.name), there.get(step.target.name)
        if one is not None and other is not None and step.target.name in trained:
            carried = step.rearrangement.apply(one)
            yield GradientDiff(
                source_name=step.source.name,
                target_name=step.target.name,
                comparison=compare(carried, other, tolerance),
            )


def _trained_roles(plan: PortPlan) -> set[str]:
    """Target tensors that a gradient is for: running statistics have one on some frameworks, and none on others."""
    return {step.target.name for step in plan.moves if step.entry.tensor.role not in ("mean", "variance")}


def _problems(plan: PortPlan, source: Side, target: Side) -> Iterator[Problem]:
    """Tensors that an optimizer would move on one side alone."""
    here, there = set(source.trainable()), set(target.trainable())
    for step in plan.moves:
        ends = step.source.name in here, step.target.name in there
        if ends[0] != ends[1]:
            moves, still = (plan.source, plan.target) if ends[0] else (plan.target, plan.source)
            yield Problem(
                kind="frozen",
                tensor=step.target.name,
                detail=f"{moves} would train it, {still} has it frozen or as a buffer",
                suggestion=f"look at requires_grad, stop_gradient or trainable in {still}",
            )
