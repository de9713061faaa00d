"""Weights of two files held against each other through the table: what a port would have written, and what is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from xframe.checkpoints.model import Checkpoint
from xframe.comparison import Comparison, Tolerance, compare
from xframe.dtypes import as_numbers
from xframe.files import reader
from xframe.planning import PortPlan, computed
from xframe.tensors import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorDiff:
    """A tensor of the target's file that is not what the source's gives; ``how`` says in words how it differs."""

    name: str
    comparison: Comparison
    how: str

    def to_json(self) -> dict[str, Any]:
        return {"tensor": self.name, **self.comparison.to_json(), "reason": self.comparison.reason, "how": self.how}


def diff_tensors(plan: PortPlan, held: Checkpoint, there: Checkpoint) -> tuple[TensorDiff, ...]:
    """Every tensor of the file ``there`` that is not, value for value, what ``plan`` makes of ``held``."""
    found = []
    for step in plan.steps:
        tensor = there.tensors.get(step.target.name)
        if tensor is None:
            continue  # a counter that the file need not have
        planned = as_numbers(computed(step, reader(held)), step.target.dtype)
        own = as_numbers(tensor.array(), tensor.spec.dtype)
        comparison = compare(planned, own, Tolerance(rtol=0.0))
        if not comparison:
            found.append(TensorDiff(name=step.target.name, comparison=comparison, how=how(planned, own)))
    return tuple(found)


def how(planned: Array, held: Array) -> str:
    """In words, how ``held`` differs from ``planned``: another shape, all zeros, scaled, in some channels."""
    if planned.shape != held.shape:
        return f"its shape is {list(held.shape)}, not {list(planned.shape)}"
    if not held.any():
        return "it is all zeros"
    differing = planned != held
    if differing.all() and (factor := _factor(planned, held)):
        return f"it is {factor:.10g} times what it should be"
    for axis, length in enumerate(planned.shape):
        others = tuple(index for index in range(planned.ndim) if index != axis)
        wrong = np.flatnonzero(differing.any(axis=others))
        if len(wrong) < length / 2 and length > 1:
            return f"{len(wrong)} of {length} slices along axis {axis} differ, the first is {wrong[0]}"
    return f"{int(differing.sum())} of {differing.size} values differ"


def _factor(planned: Array, held: Array) -> float | None:
    """By how much ``held`` is larger, if it is so everywhere."""
    nonzero = planned != 0
    if not nonzero.any():
        return None
    factor = float(np.median(held[nonzero].astype(np.float64) / planned[nonzero].astype(np.float64)))
    return factor if compare(planned * factor, held, Tolerance(rtol=1e-6)) else None
