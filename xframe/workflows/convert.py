"""``convert``: weights only, strict, without a framework; only Keras's own formats need Keras to say which is which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xframe import checkpoints
from xframe.checkpoints.model import Checkpoint
from xframe.dtypes import Loss, check_float
from xframe.files import check_output, framework_writes, partial_ending, reader
from xframe.mapping import Implementation, Option, Table, load_table
from xframe.planning import PortPlan, conversion_loss, make_plan, outgoing
from xframe.stopwatch import Progress, Stopwatch, silent


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertResult:
    """A conversion that was carried out: every tensor of ``plan`` is in ``out``. Nothing was run, nothing is proven."""

    plan: PortPlan
    weights: Path
    out: Path
    loss: Loss
    notes: tuple[str, ...]
    seconds: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return {
            "command": "convert",
            "model": self.plan.table.name,
            "source": self.plan.source,
            "target": self.plan.target,
            "tensors": self.plan.counts(),
            "problems": [],
            "notes": list(self.notes),
            "conversion": self.loss.to_json(),
            "out": str(self.out),
            "bytes": self.out.stat().st_size,
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
        }


def convert(
    model: str,
    source: str,
    target: str,
    weights: Path,
    out: Path,
    *,
    dtype: str | None = None,
    options: Mapping[str, Option] | None = None,
    progress: Progress = silent,
) -> ConvertResult:
    """Write ``weights`` of the implementation ``source`` as ``out`` for ``target``; the table alone decides.

    Names, shapes and dtypes are checked against the table before a tensor moves. Raises PlanError, CheckpointError,
    UsageError, OutputError; on any of them ``out`` is untouched.
    """
    if dtype is not None:
        check_float(dtype)
    table = load_table(model, options)
    ends = table.implementation(source), table.implementation(target)
    check_output(out, ends[1])
    job = _Conversion(table, ends, weights, out, dtype, Stopwatch(progress))
    return job.through_keras() if job.needs_keras else job.alone()


@dataclass(frozen=True, slots=True)
class _Conversion:
    table: Table
    ends: tuple[Implementation, Implementation]
    weights: Path
    out: Path
    dtype: str | None
    watch: Stopwatch

    @property
    def needs_keras(self) -> bool:
        return framework_writes(self.weights, self.ends[0]) or framework_writes(self.out, self.ends[1])

    def alone(self) -> ConvertResult:
        """Read, plan, write: numpy does all of it."""
        with self.watch("read", "reading"):
            checkpoint = checkpoints.read(self.weights)
        plan = self._plan(checkpoint)
        with self.watch("write", "writing"):
            checkpoints.write(self.out, None, list(outgoing(plan, reader(checkpoint))))
        return self._result(plan, checkpoint)

    def through_keras(self) -> ConvertResult:
        """The same, with a Keras worker for the end whose format only a built model understands."""
        from xframe.proving.sides import Side  # noqa: PLC0415 - the other formats need no worker, and do not wait for one
        from xframe.proving.weights import through_model, write_target  # noqa: PLC0415
        from xframe.workers import Pool  # noqa: PLC0415

        here, there = self.ends
        dtype = self.dtype or "float32"
        with Pool() as pool, checkpoints.staged(self.out, ending=partial_ending(self.out)) as stage:
            with self.watch("read", "reading"):
                checkpoint = checkpoints.read(self.weights)
                if framework_writes(self.weights, here):
                    checkpoint = through_model(checkpoint, Side(pool, self.table, here, "source", dtype))
            plan = self._plan(checkpoint)
            with self.watch("write", "writing"):
                own = framework_writes(self.out, there)
                writer = Side(pool, self.table, there, "writer", dtype) if own else None
                write_target(plan, checkpoint, stage.path, writer, pool)
            stage.publish()
            return self._result(plan, checkpoint)

    def _plan(self, checkpoint: Checkpoint) -> PortPlan:
        with self.watch("plan", "planning every tensor"):
            here, there = (end.name for end in self.ends)
            held = {name: tensor.spec for name, tensor in checkpoint.tensors.items()}
            return make_plan(self.table, here, there, held, reader(checkpoint), dtype=self.dtype)

    def _result(self, plan: PortPlan, checkpoint: Checkpoint) -> ConvertResult:
        return ConvertResult(
            plan=plan,
            weights=self.weights,
            out=self.out,
            loss=conversion_loss(plan, reader(checkpoint)),
            notes=checkpoint.notes,
            seconds=self.watch.finish(),
        )
