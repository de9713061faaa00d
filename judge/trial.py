"""One diff as `xframe diff` does it, between sides that are built already and a source that is loaded."""

from __future__ import annotations

from pathlib import Path

from xframe.checkpoints.budget import AMPLE
from xframe.checkpoints.model import Checkpoint
from xframe.checkpoints.selection import EVERYTHING
from xframe.errors import ModelError
from xframe.files import opened_weights
from xframe.planning import PortPlan
from xframe.proving.diff_result import DiffResult
from xframe.proving.proof import load_planned, load_source
from xframe.proving.sides import Side
from xframe.proving.tensor_diff import TensorDiff, diff_tensors
from xframe.stopwatch import Stopwatch, silent
from xframe.workers import Pool
from xframe.workflows.diff import DTYPE, DiffOptions, _Diff


class Trial(_Diff):
    """The workflow itself but for its first steps: building both sides, and loading the source."""

    def __init__(self, pool: Pool, source: Side, target: Side, options: DiffOptions) -> None:
        self.table, self.options, self.pool = source.table, options, pool
        self.ends = source.implementation, target.implementation
        self.source, self.target = source, target
        self.watch = Stopwatch(silent)

    def carried_out(self) -> DiffResult:
        """The result; what was exchanged is removed."""
        with self.pool.scratch():
            return self.carry_out()

    def _loaded(
        self, given: Checkpoint | None, other: Checkpoint | None, *_: object
    ) -> tuple[Checkpoint, PortPlan, tuple[TensorDiff, ...] | None]:
        """As the workflow's own, but that the source holds ``given`` already."""
        if given is None:
            raise ModelError("a trial needs the source's weights")
        plan = self._plan(given, self.ends)
        if other is None:
            load_planned(self.target, plan, given, self.pool)()
            return given, plan, None
        load_source(self.target, other, self.pool, DTYPE)()
        return given, plan, diff_tensors(plan, given, other)


def load_once(pool: Pool, side: Side, weights: Path) -> None:
    """Set a side from a file of its own, and read it back."""
    held = opened_weights(weights, side.table, side.implementation, EVERYTHING, AMPLE)
    with pool.scratch():
        load_source(side, held, pool, DTYPE)()
