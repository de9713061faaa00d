"""``onnx``: every implementation exported by its framework's own exporter, and held against models and other exports.

The first implementation's weights, or random ones, are ported to the others in memory; then all are exported side by
side. Graphs are kept only where ``out`` says so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from xframe.checkpoints.budget import AMPLE, Budget
from xframe.checkpoints.model import Checkpoint
from xframe.checkpoints.selection import EVERYTHING
from xframe.comparison import Tolerance
from xframe.errors import OutputError, UsageError
from xframe.files import framework_reads, opened_weights, reader
from xframe.mapping import Implementation, Option, Table, load_table
from xframe.planning import make_plan
from xframe.proving.divergence import Divergence, first_divergence
from xframe.proving.onnx.export import Export, ExportFailed, runtime, start_export
from xframe.proving.onnx.parity import ROUNDED, Native, Parity, hold
from xframe.proving.onnx.result import OnnxResult
from xframe.proving.onnx.triangle import Agreement, agreements, corners
from xframe.proving.probe import random_input, read_input
from xframe.proving.proof import Runs, load_planned, load_source
from xframe.proving.sides import Side
from xframe.proving.weights import at_hand, through_model
from xframe.stopwatch import Progress, Stopwatch, silent
from xframe.tensors import Array
from xframe.workers import Pool

DTYPE = "float32"
_OLDEST_OPSET = 7  # before that, batch norms and pools meant something else


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxOptions:
    """How exports are made and held. ``weights`` None draws random ones from ``seed``; they are the first's.

    ``opset`` None leaves that to each exporter; ``external`` puts tensors beside the graphs. ``out`` is a folder that
    keeps them; ``input`` a .npy of shape (N, C, H, W).
    """

    weights: Path | None = None
    seed: int = 0
    opset: int | None = None
    external: bool = False
    out: Path | None = None
    input: Path | None = None
    tolerance: Tolerance = field(default_factory=Tolerance)
    set: Mapping[str, Option] = field(default_factory=dict)
    budget: Budget = AMPLE


def onnx(
    model: str,
    implementations: Sequence[str] = (),
    options: OnnxOptions | None = None,
    *,
    pool: Pool | None = None,
    progress: Progress = silent,
) -> OnnxResult:
    """Export ``implementations`` of ``model`` (by default those that are called as their framework is) and hold them.

    A difference is a result, not an error, and so is an exporter that fails. Raises PlanError, CheckpointError and the
    others of xframe.errors. Without ``pool`` the workers end with the call.

    >>> onnx("resnet18", ["paddle", "torch"]).verdict  # doctest: +SKIP
    'equivalent'
    """
    options = options or OnnxOptions()
    if options.opset is not None and options.opset < _OLDEST_OPSET:
        raise UsageError(f"--opset is a number from {_OLDEST_OPSET} on, such as 17; found {options.opset}.")
    table = load_table(model, options.set)
    ends = _ends(table, implementations)
    with ExitStack() as stack:
        folder = stack.enter_context(_folder(options.out)) if options.out is not None else None
        workers = pool or stack.enter_context(Pool())
        workers.start(*(end.framework.name for end in ends), "onnx")
        stack.enter_context(workers.scratch())
        return _Onnx(table, ends, options, workers, folder or workers.folder, Stopwatch(progress)).carry_out()


def _ends(table: Table, named: Sequence[str]) -> tuple[Implementation, ...]:
    """Those that are named, once each; else those that are called as their framework is, else all."""
    if named:
        return tuple(table.implementation(name) for name in dict.fromkeys(named))
    plain = tuple(end for name, end in table.implementations.items() if name == end.framework.name)
    return plain or tuple(table.implementations.values())


@contextmanager
def _folder(out: Path) -> Iterator[Path]:
    """A folder within ``out``, which is made if need be, that goes at the end."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".xframe-", dir=out) as folder:
            yield Path(folder)
    except OSError as error:
        raise OutputError(f"{out} was expected to be a folder for the graphs, or a name for one: {error}.") from error


@dataclass(slots=True)
class _Onnx:
    """One triangle under way."""

    table: Table
    ends: tuple[Implementation, ...]
    options: OnnxOptions
    pool: Pool
    folder: Path
    watch: Stopwatch
    sides: list[Side] = field(init=False)
    notes: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    rounds: bool = False  # whether a fold rounds what is ported

    def __post_init__(self) -> None:
        self.sides = [Side(self.pool, self.table, end, f"onnx-{end.name}", DTYPE) for end in self.ends]

    def carry_out(self) -> OnnxResult:
        """The straight line."""
        with self.watch("read", "reading the weights"):
            probe, parsed = self._probe(), self._parsed()
        with self.watch("import", "importing the frameworks"):
            versions = {side.implementation.framework.name: side.versions for side in self.sides}
            versions["onnx"] = dict(self.pool["onnx"].hello["versions"])
        with self.watch("load", "loading every implementation"):
            held = self._loaded(parsed)
        with self.watch("run", "running every implementation in float64 and float32"):
            natives = self._natives(probe)
        with self.watch("export", "exporting"):
            exports = [*self._exports(probe)]
        with self.watch("hold", "running the exports in onnxruntime and in float64"):
            parities = self._held(exports, natives)
        with self.watch("compare", "comparing all with all"):
            pairs = agreements(corners(natives, parities, ROUNDED if self.rounds else self.options.tolerance))
            divergences = self._divergences(pairs, probe)
        return OnnxResult(
            table=self.table,
            implementations=tuple(end.name for end in self.ends),
            weights=str(held.path),
            parities=parities,
            failed=self.failed,
            agreements=pairs,
            divergences=divergences,
            out=self._kept(parities),
            runtime=runtime(versions["onnx"]),
            notes=tuple(self.notes),
            seconds=self.watch.finish(),
            versions=versions,
        )

    def _probe(self) -> Array:
        if self.options.input is not None:
            return read_input(self.options.input, self.table)
        return random_input(self.table, self.options.seed)

    def _parsed(self) -> Checkpoint | None:
        weights = self.options.weights
        if weights is None:
            return None
        return opened_weights(weights, self.table, self.ends[0], EVERYTHING, self.options.budget)

    def _loaded(self, parsed: Checkpoint | None) -> Checkpoint:
        """The first implementation's weights; all the others are given them by the table and read back."""
        first, *others = self.sides
        if parsed is None:
            held = at_hand(first, self.options.seed, self.pool)
        else:
            held = through_model(parsed, first) if framework_reads(parsed.path, self.ends[0]) else parsed
        checks = [load_source(first, held, self.pool, DTYPE), *(self._ported(held, side) for side in others)]
        for check in checks:
            check()
        return held

    def _ported(self, held: Checkpoint, side: Side) -> Callable[[], None]:
        specs = {name: tensor.spec for name, tensor in held.tensors.items()}
        here, there = self.ends[0].name, side.implementation.name
        plan = make_plan(self.table, here, there, specs, reader(held), wanted=side.specs, dtype=DTYPE)
        self.notes += plan.differences
        self.rounds |= bool(plan.folds)
        return load_planned(side, plan, held, self.pool)

    def _natives(self, probe: Array) -> list[Native]:
        started = [Runs(side, probe) for side in self.sides]
        return [Native(side=runs.side, probe=probe, outputs=runs.outputs) for runs in started]

    def _exports(self, probe: Array) -> Iterator[Export]:
        """All exporters write at the same time; one that fails is remembered."""
        opset, external = self.options.opset, self.options.external
        started = [
            start_export(self.pool, side, probe, folder=self.folder, opset=opset, external=external)
            for side in self.sides
        ]
        for side, ended in zip(self.sides, started, strict=True):
            try:
                export = ended()
            except ExportFailed as error:
                self.failed[side.implementation.name] = str(error)
                continue
            if self.options.opset not in (None, export.facts.opset):
                self.notes.append(f"{export.exporter} wrote opset {export.facts.opset}, not {self.options.opset}")
            yield export

    def _held(self, exports: Sequence[Export], natives: Sequence[Native]) -> tuple[Parity, ...]:
        by_name = {native.side.implementation.name: native for native in natives}
        return tuple(hold(export, by_name[export.implementation]) for export in exports)

    def _divergences(self, pairs: Sequence[Agreement], probe: Array) -> dict[str, Divergence]:
        """Where models part from the first one: then it is no exporter's doing."""
        first = self.sides[0]
        apart = {pair.other for pair in pairs if pair.one == first.implementation.name and not pair}
        found = (
            (side.implementation.name, first_divergence(first, side, probe, self.options.tolerance))
            for side in self.sides
            if side.implementation.name in apart
        )
        return {name: divergence for name, divergence in found if divergence is not None}

    def _kept(self, parities: Sequence[Parity]) -> dict[str, Path]:
        """The graphs under their own names, with what lies beside them; one that does not hold says so in its name."""
        if self.options.out is None:
            return {}
        kept = {}
        for parity in parities:
            path = parity.export.graph.path
            for beside in path.parent.glob(f"{path.name}.data"):
                beside.replace(self.options.out / beside.name)
            name = path.name if parity else f"{path.stem}.different.onnx"
            kept[parity.implementation] = path.replace(self.options.out / name)
        return kept
