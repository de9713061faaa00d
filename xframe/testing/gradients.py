"""Gradients of one implementation as sketches under the names and axes of another, whose framework is not asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from xframe.planning import carried, make_plan
from xframe.proving.gradient_diff import random_cotangents, trained
from xframe.proving.sides import Side
from xframe.tensors import FLOATS, Array, TensorSpec
from xframe.testing.passage import DTYPE, Passage
from xframe.testing.sketch import sketch

INPUT = ""  # in place of a tensor's name: the gradient of the input


def gradient_sketches(
    side: Side, column: str, specs: Mapping[str, TensorSpec], *, probe: Array, ran: Passage, seed: int
) -> dict[str, Array]:
    """By tensor of ``column``, whose state dict is ``specs``, a sketch of what flows into it on ``side``.

    Tensors that the table fills, drops or folds on the way have no counterpart and are left out, as are running
    statistics. Raises PlanError where there is no way from the one to the other.
    """
    flown = side.gradients(probe, random_cotangents(ran.outputs, seed))()
    state = {name: extent.map() for name, extent in side.state()().items()}
    wanted = {name: _as_run(spec) for name, spec in specs.items()}
    here = side.implementation.name
    plan = make_plan(side.table, here, column, side.specs, state.__getitem__, wanted=wanted, dtype=DTYPE)
    steps = (step for step in trained(plan) if all(piece.source.name in flown.tensors for piece in step.pieces))
    found = {step.target.name: sketch(carried(step, flown.tensors.__getitem__)) for step in steps}
    return {INPUT: sketch(flown.at_input), **found}


def _as_run(spec: TensorSpec) -> TensorSpec:
    return replace(spec, dtype=DTYPE) if spec.dtype in FLOATS else spec
