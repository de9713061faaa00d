"""Both sides of a training: built in float64, and holding the same weights."""

from __future__ import annotations

from xframe.checkpoints.model import Checkpoint
from xframe.files import reader
from xframe.mapping import Implementation, Table
from xframe.planning import PortPlan, make_plan
from xframe.proving.proof import load_planned, load_source
from xframe.proving.sides import Side
from xframe.workers import Pool


def start_both(
    pool: Pool, table: Table, ends: tuple[Implementation, Implementation], checkpoint: Checkpoint
) -> tuple[Side, Side, PortPlan]:
    """The source with a checkpoint's weights, the target with the planned ones, unrounded. Raises PlanError.

    Release both when they are done with.
    """
    source, target = (
        Side(pool, table, end, f"training-{name}", "float64")
        for end, name in zip(ends, ("source", "target"), strict=True)
    )
    held = {name: tensor.spec for name, tensor in checkpoint.tensors.items()}
    names = ends[0].name, ends[1].name
    plan = make_plan(table, *names, held, reader(checkpoint), wanted=target.specs, dtype="float64")
    loaded = load_source(source, checkpoint, pool, "float64")
    planned = load_planned(target, plan, checkpoint, pool)
    loaded()
    planned()
    return source, target, plan
