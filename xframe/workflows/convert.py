"""``convert``: weights only, strict, without a framework; only Keras's own formats need Keras to say which is which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xframe import checkpoints
from xframe.checkpoints.budget import AMPLE, Budget
from xframe.checkpoints.model import Checkpoint
from xframe.checkpoints.pouring import Poured
from xframe.checkpoints.selection import EVERYTHING, Selection
from xframe.dtypes import Loss, check_float
from xframe.errors import UsageError
from xframe.files import (
    check_apart,
    check_output,
    framework_reads,
    framework_writes,
    opened_weights,
    partial_ending,
    reader,
    written_bytes,
)
from xframe.mapping import Implementation, Option, Table, load_table
from xframe.planning import Account, PortPlan, make_plan, outgoing
from xframe.stopwatch import Progress, Stopwatch, silent


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertOptions:
    """How a conversion is done. ``dtype`` converts floating-point tensors on purpose; ``set`` gives table options.

    ``selection`` says which of the file's tensors are meant, ``budget`` what the file may make us unpack. ``digests``
    asks for every tensor's, in the same pass. ``shard_size`` cuts the output into shards of at most so many bytes,
    which ``resume`` goes on with where they were interrupted.
    """

    dtype: str | None = None
    set: Mapping[str, Option] = field(default_factory=dict)
    selection: Selection = EVERYTHING
    budget: Budget = AMPLE
    digests: bool = False
    shard_size: int | None = None
    resume: bool = False

    def __post_init__(self) -> None:
        if self.dtype is not None:
            check_float(self.dtype)
        if self.resume and self.shard_size is None:
            raise UsageError("--resume goes on with shards: give the same --max-shard-size as before, too.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertResult:
    """A conversion that was carried out: every tensor of ``plan`` is in ``out``. Nothing was run, nothing is proven.

    ``nonfinite`` names source tensors that hold NaN or infinity; ``digests`` are those of the target's tensors.
    """

    plan: PortPlan
    weights: Path
    out: Path
    nbytes: int
    loss: Loss
    nonfinite: tuple[str, ...]
    digests: Mapping[str, str]
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
            "nonfinite": list(self.nonfinite),
            "digests": dict(self.digests),
            "out": str(self.out),
            "bytes": self.nbytes,
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
        }


def convert(
    model: str,
    source: str,
    target: str,
    weights: Path,
    out: Path,
    *,
    options: ConvertOptions | None = None,
    progress: Progress = silent,
) -> ConvertResult:
    """Write ``weights`` of the implementation ``source`` as ``out`` for ``target``; the table alone decides.

    Names, shapes and dtypes are checked against the table before a tensor moves. Raises PlanError, CheckpointError,
    UsageError, OutputError; on any of them ``out`` is untouched.
    """
    options = options or ConvertOptions()
    table = load_table(model, options.set)
    ends = table.implementation(source), table.implementation(target)
    if options.shard_size is not None:
        from xframe.checkpoints.shards import index_path  # noqa: PLC0415 - few conversions write shards

        out = index_path(out)
    else:
        check_output(out, ends[1])
    job = _Conversion(table, ends, weights, out, options, Stopwatch(progress))
    return job.through_keras() if job.needs_keras else job.alone()


@dataclass(slots=True)
class _Conversion:
    table: Table
    ends: tuple[Implementation, Implementation]
    weights: Path
    out: Path
    options: ConvertOptions
    watch: Stopwatch
    account: Account = field(default_factory=Account)
    notes: list[str] = field(default_factory=list)

    @property
    def needs_keras(self) -> bool:
        return framework_reads(self.weights, self.ends[0]) or framework_writes(self.out, self.ends[1])

    def alone(self) -> ConvertResult:
        """Read, plan, write: numpy does all of it."""
        checkpoint = self._opened()
        plan = self._plan(checkpoint)
        with self.watch("write", "writing"):
            poured = self._poured(plan, checkpoint)
        return self._result(plan, checkpoint, {tensor.spec.name: tensor.digest for tensor in poured})

    def through_keras(self) -> ConvertResult:
        """The same, with a Keras worker for the end whose format only a built model understands."""
        from xframe.proving.sides import Side  # noqa: PLC0415 - the other formats need no worker, and do not wait for one
        from xframe.proving.weights import save_through, through_model  # noqa: PLC0415
        from xframe.workers import Pool  # noqa: PLC0415

        here, there = self.ends
        dtype = self.options.dtype or "float32"
        with Pool() as pool:
            checkpoint = self._opened()
            if framework_reads(self.weights, here):
                checkpoint = through_model(checkpoint, Side(pool, self.table, here, "source", dtype))
            plan = self._plan(checkpoint)
            with self.watch("write", "writing"):
                if not framework_writes(self.out, there):
                    poured = self._poured(plan, checkpoint)
                    return self._result(plan, checkpoint, {tensor.spec.name: tensor.digest for tensor in poured})
                with checkpoints.staged(self.out, ending=partial_ending(self.out)) as stage:
                    writer = Side(pool, self.table, there, "writer", dtype)
                    tensors = outgoing(plan, reader(checkpoint), self.account)
                    digests = save_through(writer, pool, stage.path, tensors)
                    stage.publish()
            return self._result(plan, checkpoint, digests)

    def _opened(self) -> Checkpoint:
        with self.watch("read", "reading"):
            options = self.options
            checkpoint = opened_weights(self.weights, self.table, self.ends[0], options.selection, options.budget)
            check_apart(checkpoint.files, self._replaced())
            return checkpoint

    def _replaced(self) -> list[Path]:
        if self.options.shard_size is None:
            return [self.out]
        from xframe.checkpoints.shards import replaced_by  # noqa: PLC0415 - few conversions write shards

        return replaced_by(self.out)

    def _plan(self, checkpoint: Checkpoint) -> PortPlan:
        with self.watch("plan", "planning every tensor"):
            here, there = (end.name for end in self.ends)
            held = {name: tensor.spec for name, tensor in checkpoint.tensors.items()}
            return make_plan(self.table, here, there, held, reader(checkpoint), dtype=self.options.dtype)

    def _poured(self, plan: PortPlan, checkpoint: Checkpoint) -> list[Poured]:
        tensors, progress = outgoing(plan, reader(checkpoint), self.account), self.watch.progress
        progress.expect(plan.nbytes)
        if self.options.shard_size is None:
            return checkpoints.write(self.out, None, tensors, digests=self.options.digests, tell=progress.advance)
        from xframe.checkpoints.shards import Sharding, write_shards  # noqa: PLC0415

        options, origin = self.options, self._origin(checkpoint)
        sharding = Sharding(largest=self.options.shard_size, origin=origin, resume=options.resume, ledger=self.account)
        poured, notes = write_shards(self.out, tensors, sharding, tell=progress.advance)
        self.notes += notes
        return poured

    def _origin(self, checkpoint: Checkpoint) -> str:
        """What an interrupted conversion was of: the files as they were, and everything that decides the values."""
        paths = sorted({*checkpoint.files, self.table.file})
        files = [(path.resolve(), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
        ends = self.table.name, self.ends[0].name, self.ends[1].name
        return repr((files, ends, self.options.dtype, sorted(self.options.set.items()), self.options.selection))

    def _result(self, plan: PortPlan, checkpoint: Checkpoint, digests: Mapping[str, str]) -> ConvertResult:
        return ConvertResult(
            plan=plan,
            weights=self.weights,
            out=self.out,
            nbytes=written_bytes(self.out) if self.options.shard_size is None else plan.nbytes,
            loss=self.account.loss,
            nonfinite=self.account.nonfinite,
            digests=digests if self.options.digests else {},
            notes=(*checkpoint.notes, *plan.differences, *self.notes),
            seconds=self.watch.finish(),
        )
