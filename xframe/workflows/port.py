"""``port``: move the weights of one implementation into another and prove that they compute the same.

Read, plan, write, load, read back, run twice, verdict, publish: the file gets its name only when all of it held.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from xframe import checkpoints
from xframe.checkpoints.budget import AMPLE, Budget
from xframe.checkpoints.model import Checkpoint
from xframe.checkpoints.selection import EVERYTHING, Selection
from xframe.checkpoints.staging import Stage
from xframe.comparison import Tolerance
from xframe.dtypes import check_float
from xframe.errors import PlanError, UsageError
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
from xframe.proving.certificate import write_certificate
from xframe.proving.oddities import explained, notes
from xframe.proving.probe import random_input, read_input
from xframe.proving.proof import Check, Runs, load_planned, load_source, load_target, prove
from xframe.proving.sensitivity import Sensitivity
from xframe.proving.sides import Side
from xframe.proving.verdict import PortResult, Proof
from xframe.proving.weights import at_hand, save_through, through_model
from xframe.stopwatch import Progress, Stopwatch, silent
from xframe.tensors import Array, TensorSpec
from xframe.workers import Pool
from xframe.workflows.port_optimizer import Carrier, OptimizerOptions

Started = tuple[Check, Runs, Sensitivity]  # the source, under way


@dataclass(frozen=True, slots=True, kw_only=True)
class PortOptions:
    """How a port is done. ``weights`` None draws random ones from ``seed``; ``out`` None takes the target's own format.

    ``dtype`` converts floating-point tensors on purpose; ``input`` is a .npy of shape (N, C, H, W) to probe with;
    ``strict_proof`` writes nothing while a tensor is unproven; ``set`` gives values to the table's options, such as
    ``num_classes``; ``selection`` says which tensors of the file of weights are meant, ``budget`` what it may make us
    unpack; ``optimizer`` carries an optimizer's state too.
    """

    weights: Path | None = None
    out: Path | None = None
    seed: int = 0
    dtype: str | None = None
    tolerance: Tolerance = field(default_factory=Tolerance)
    verify: bool = True
    strict_proof: bool = False
    input: Path | None = None
    onnx: bool = False
    set: Mapping[str, Option] = field(default_factory=dict)
    selection: Selection = EVERYTHING
    budget: Budget = AMPLE
    optimizer: OptimizerOptions | None = None


def port(
    model: str,
    source: str,
    target: str,
    options: PortOptions | None = None,
    *,
    pool: Pool | None = None,
    progress: Progress = silent,
) -> PortResult:
    """Port ``model`` (a table's name or path) from the implementation ``source`` to ``target``.

    Raises PlanError, CheckpointError and the others of xframe.errors. A target that computes something else is a
    result, not an error: its verdict is "different" and no file is written. Without ``pool`` the workers end with the
    call.

    >>> port("resnet18", "paddle", "torch").verdict  # doctest: +SKIP
    'equivalent'
    """
    options = options or PortOptions()
    if not options.verify and (options.onnx or options.strict_proof):
        adds = "--onnx" if options.onnx else "--strict-proof"
        raise UsageError(f"{adds} adds to the proof, so it does not go with --no-verify.")
    if options.selection and options.weights is None:
        raise UsageError("--select, --strip-prefix and --stored-as are about the file of --weights, and there is none.")
    if options.dtype is not None:
        check_float(options.dtype)
    if options.optimizer is not None and not options.verify:
        raise UsageError("--optimizer is proven by training on, so it does not go with --no-verify.")
    table = load_table(model, options.set)
    ends = table.implementation(source), table.implementation(target)
    out = options.out or Path(f"{table.name}{ends[1].framework.extensions[0]}")
    check_output(out, ends[1])
    if options.optimizer is not None:
        options.optimizer.written(out, ends[1])
    with ExitStack() as stack:
        workers = pool or stack.enter_context(Pool())
        workers.start(ends[0].framework.name, ends[1].framework.name)
        stack.enter_context(workers.scratch())
        return _Port(table, ends, options, out, workers, Stopwatch(progress)).carry_out()


@dataclass(slots=True)
class _Port:
    """One port under way."""

    table: Table
    ends: tuple[Implementation, Implementation]
    options: PortOptions
    out: Path
    pool: Pool
    watch: Stopwatch
    account: Account = field(default_factory=Account)
    source: Side = field(init=False)
    target: Side = field(init=False)

    def __post_init__(self) -> None:
        self.source, self.target = self._side(self.ends[0], "source"), self._side(self.ends[1], "target")

    def _side(self, implementation: Implementation, handle: str) -> Side:
        return Side(self.pool, self.table, implementation, handle, self.options.dtype or "float32")

    def carry_out(self) -> PortResult:
        """The straight line."""
        with checkpoints.staged(self.out, ending=partial_ending(self.out)) as stage:
            with self.watch("read", "reading the weights"):
                probe, parsed = self._probe(), self._parsed()
            with self.watch("import", "importing the frameworks"):
                versions = {"source": self.source.versions, "target": self.target.versions}
            with self.watch("build", "building both models"):
                checkpoint, wanted = self._weights(parsed), self.target.specs
            with self.watch("plan", "planning every tensor"):
                plan = self._plan(checkpoint, wanted, self.options.dtype, probe)
            with self.watch("write", "writing the target"):
                source = self._start_source(checkpoint, probe)
                digests = self._write(plan, checkpoint, stage.path)
            proof = self._prove(plan, checkpoint, stage.path, source, probe)
            result = replace(self._result(plan, checkpoint, proof, versions), digests=digests)
            result = replace(result, notes=(*result.notes, *notes((self.source, self.target), probe)))
            if result.out is not None and self.options.optimizer is not None:
                result = self._with_optimizer(result, checkpoint, stage, self.options.optimizer)
            elif result.out is not None:
                stage.publish()
        if result.out is not None:
            result = replace(result, nbytes=written_bytes(result.out))
        if result.out is not None and proof is not None:
            result = replace(result, certificate=self._certify(result, result.out, probe))
        return replace(result, seconds=self.watch.finish())

    def _with_optimizer(
        self, result: PortResult, checkpoint: Checkpoint, stage: Stage, asked: OptimizerOptions
    ) -> PortResult:
        """Both files get their names, the state's first, or neither does."""
        carrier = Carrier(
            pool=self.pool, table=self.table, ends=self.ends, checkpoint=checkpoint, plan=result.plan,
            dtype=self.options.dtype or "float32", seed=self.options.seed, tolerance=self.options.tolerance,
            budget=self.options.budget,
        )  # fmt: skip
        out = asked.written(self.out, self.ends[1])
        with (
            self.watch("optimizer", "carrying the optimizer's state and training on"),
            checkpoints.staged(out, ending=f".partial{out.suffix}") as beside,
        ):
            found = carrier.carry(asked, beside.path, out)
            if not found:
                return replace(result, optimizer=found.unwritten(), out=None)
            beside.publish()
            stage.publish()
        return replace(result, optimizer=found)

    def _certify(self, result: PortResult, out: Path, probe: Array) -> Path:
        said = {
            "input": None if self.options.input is None else str(self.options.input),
            "seed": self.options.seed,
            "shape": list(probe.shape),
        }
        return write_certificate(result, out, self.options.tolerance, said)

    def _probe(self) -> Array:
        if self.options.input is not None:
            return read_input(self.options.input, self.table)
        return random_input(self.table, self.options.seed)

    def _parsed(self) -> Checkpoint | None:
        """The source's file, read while the frameworks are being imported. None of what is read may be written over."""
        weights, options = self.options.weights, self.options
        parsed = None
        if weights is not None:
            parsed = opened_weights(weights, self.table, self.ends[0], options.selection, options.budget)
        asked = options.optimizer
        state = None if asked is None else asked.state
        state_out = None if asked is None else asked.written(self.out, self.ends[1])
        check_apart([*(parsed.files if parsed else ()), state], [self.out, state_out])
        return parsed

    def _weights(self, parsed: Checkpoint | None) -> Checkpoint:
        if parsed is None:
            return at_hand(self.source, self.options.seed, self.pool)
        return through_model(parsed, self.source) if framework_reads(parsed.path, self.ends[0]) else parsed

    def _plan(
        self, checkpoint: Checkpoint, wanted: Mapping[str, TensorSpec], dtype: str | None, probe: Array
    ) -> PortPlan:
        held = {name: tensor.spec for name, tensor in checkpoint.tensors.items()}
        here, there = (end.name for end in self.ends)
        try:
            return make_plan(self.table, here, there, held, reader(checkpoint), wanted=wanted, dtype=dtype)
        except PlanError as error:
            raise explained(error, (self.source, self.target), probe) from None

    def _start_source(self, checkpoint: Checkpoint, probe: Array) -> Started | None:
        """The source loads and runs while the target is being written."""
        if not self.options.verify:
            return None
        loaded = load_source(self.source, checkpoint, self.pool, self.options.dtype)
        return loaded, Runs(self.source, probe), Sensitivity(self.source, probe)

    def _write(self, plan: PortPlan, checkpoint: Checkpoint, path: Path) -> Mapping[str, str]:
        """Writes the file; returns the digest of every tensor in it."""
        tensors = outgoing(plan, reader(checkpoint), self.account)
        if not framework_writes(path, self.ends[1]):
            progress = self.watch.progress
            progress.expect(plan.nbytes)
            form = checkpoints.format_of(path)
            poured = checkpoints.encode(path, form, tensors, digests=True, tell=progress.advance)
            return {tensor.spec.name: tensor.digest for tensor in poured}
        writer = self._side(self.ends[1], "writer")  # not the target, whose loading of the file has to be seen
        digests = save_through(writer, self.pool, path, tensors)
        writer.release()
        return digests

    def _prove(
        self, plan: PortPlan, checkpoint: Checkpoint, path: Path, source: Started | None, probe: Array
    ) -> Proof | None:
        if source is None:
            return None
        with self.watch("load", "loading both sides and reading them back"):
            target_is_loaded = load_target(self.target, path, plan, checkpoint, self.pool)
            target = Runs(self.target, probe, self._exact(plan, checkpoint, probe))
            source_is_loaded, running, sensitivity = source
            source_is_loaded()
            target_is_loaded()
        with self.watch("run", "running both sides in float64 and float32"):
            onnx = self.pool if self.options.onnx else None
            return prove(running, target, plan, self.options.tolerance, sensitivity=sensitivity, onnx=onnx)

    def _exact(self, plan: PortPlan, checkpoint: Checkpoint, probe: Array) -> Side | None:
        """Where a fold rounds, a float64 target that it does not round for; the proof of the fold itself."""
        if not plan.folds:
            return None
        side = Side(self.pool, self.table, self.ends[1], "exact", "float64")
        load_planned(side, self._plan(checkpoint, side.specs, "float64", probe), checkpoint, self.pool)()
        return side

    def _result(
        self, plan: PortPlan, checkpoint: Checkpoint, proof: Proof | None, versions: Mapping[str, Mapping[str, str]]
    ) -> PortResult:
        precision = {} if proof is None else {"source": self.source.precision(), "target": self.target.precision()}
        result = PortResult(
            plan=plan,
            proof=proof,
            out=self.out,
            loss=self.account.loss,
            strict_proof=self.options.strict_proof,
            nonfinite=self.account.nonfinite,
            weights=str(checkpoint.path),
            notes=(
                *checkpoint.notes,
                *plan.differences,
                *(proof.notes if proof is not None else ()),
                *_reduced(precision),
            ),
            versions=versions,
            precision=precision,
        )
        return result if proof is None or result.holds else replace(result, out=None)


def _reduced(precision: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A note for each side that computes float32 in less: its float32 figures then say little."""
    for side, found in precision.items():
        if found["reduced"]:
            said = ", ".join(f"{name} is {found['switches'][name]}" for name in found["reduced"])
            yield f"the {side} may compute float32 in less: {said}"
