"""``diff`` with an .onnx file on one side, or on both: any model against any export, and exports against each other."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xframe.checkpoints.selection import EVERYTHING
from xframe.comparison import Tolerance
from xframe.errors import UsageError
from xframe.files import framework_reads, opened_weights
from xframe.mapping import Table, load_table
from xframe.proving.onnx.export import Export, opened
from xframe.proving.onnx.graph_diff import Compared, GraphDiff, of_graphs, of_parity
from xframe.proving.onnx.parity import Native, Parity, hold
from xframe.proving.probe import random_input, read_arrays, read_input
from xframe.proving.proof import Runs, load_source
from xframe.proving.sides import Side
from xframe.proving.weights import through_model
from xframe.stopwatch import Progress, Stopwatch, silent
from xframe.tensors import Array
from xframe.workers import Pool
from xframe.workflows.diff import DiffOptions

ENDING = ".onnx"
NO_TABLE = "-"
_BATCH = 2


def has_graph(*ends: str) -> bool:
    """Whether one of the two is a file."""
    return any(map(_is_graph, ends))


def _is_graph(end: str) -> bool:
    return end.lower().endswith(ENDING)


def diff_graphs(
    model: str,
    source: str,
    target: str,
    options: DiffOptions | None = None,
    *,
    pool: Pool | None = None,
    progress: Progress = silent,
) -> GraphDiff:
    """Hold two ends against each other of which one is an .onnx file, or both are.

    ``model`` is a table's name or path; "-" where both are files and the graphs say what they read. Raises UsageError
    for what cannot be asked of a graph, CheckpointError for a file that is no sound graph.
    """
    options = options or DiffOptions()
    if options.gradients or options.train_steps:
        raise UsageError("An .onnx file computes outputs only: --gradients and --train-steps do not go with one.")
    graphs = [*map(_is_graph, (source, target))]
    if options.tolerance != Tolerance() or not options.refed:
        raise UsageError(
            "A graph is held to bounds of its own, the model's rounding in float32 and 1e-7 in float64, and it is "
            "followed by values: --atol, --rtol and --free do not go with one."
        )
    if model == NO_TABLE and not all(graphs):
        raise UsageError(
            "- in place of MODEL stands for no table, which two .onnx files can do without; a model cannot."
        )
    with ExitStack() as stack:
        workers = pool or stack.enter_context(Pool())
        workers.start("onnx")
        stack.enter_context(workers.scratch())
        table = None if model == NO_TABLE else load_table(model, options.set)
        one = _GraphDiff(table, (source, target), options, workers, Stopwatch(progress))
        return one.of_two_graphs() if all(graphs) else one.of_model(graphs.index(False))


@dataclass(slots=True)
class _GraphDiff:
    """One comparison under way."""

    table: Table | None
    ends: tuple[str, str]
    options: DiffOptions
    pool: Pool
    watch: Stopwatch
    notes: list[str] = field(default_factory=list)

    def of_two_graphs(self) -> GraphDiff:
        with self.watch("read", "reading the graphs"):
            one, other = (self._opened(end) for end in self.ends)
            inputs = self._inputs(one, other)
        with self.watch("run", "running both graphs"):
            compared = of_graphs(one, other, inputs)
        return self._result(compared, "the graphs' own", {end.implementation: end.checker for end in (one, other)})

    def of_model(self, place: int) -> GraphDiff:
        """``place`` says which of the two ends is the model."""
        assert self.table is not None
        end = self.table.implementation(self.ends[place])
        weights = (self.options.source_weights, self.options.target_weights)
        if weights[1 - place] is not None:
            raise UsageError(f"{self.ends[1 - place]} holds its weights itself; it takes no file of them.")
        held = weights[place]
        if held is None:
            option = ("--source-weights", "--target-weights")[place]
            raise UsageError(
                f"{self.ends[1 - place]} holds weights, so {end.name} needs the same: name them by {option}."
            )
        with self.watch("read", "reading the graph and the weights"):
            export = self._opened(self.ends[1 - place])
            parsed = opened_weights(held, self.table, end, EVERYTHING, self.options.budget)
        with self.watch("load", "loading the model"):
            side = Side(self.pool, self.table, end, "graph-diff", "float32")
            named = through_model(parsed, side) if framework_reads(parsed.path, end) else parsed
            load_source(side, named, self.pool, "float32")()
        with self.watch("run", "running the model and the graph"):
            probe = self._fed(self._probe(self.table), self.table.input_axes, export)
            native = Native(side=side, probe=probe, outputs=Runs(side, probe).outputs)
            parity = hold(export, native)
            compared = of_parity(parity, native, model_is_source=place == 0)
        checker = {export.implementation: export.checker}
        return self._result(compared, str(held), checker, parity, {end.framework.name: side.versions})

    def _opened(self, end: str) -> Export:
        shape = () if self.table is None else self.table.input
        return opened(self.pool, Path(end), shape[0] if len(shape) == 3 else None, self.options.budget)

    def _inputs(self, one: Export, other: Export) -> tuple[list[Array], list[Array]]:
        """What each graph reads: the table's input, or the graphs' own, of which a .npz may name several."""
        if self.table is not None:
            axes = self.table.input_axes
            probe = self._fed(self._probe(self.table), axes, one, other)
            return [one.given(probe, axes)], [other.given(probe, axes)]
        path = self.options.input
        held = self._drawn(one) if path is None else read_arrays(path)
        if isinstance(held, np.ndarray):
            held = self._fed(held, "", one, other)
            return [held], [held]
        assert path is not None
        here, there = ([self._named(held, name, path) for name, _, _ in end.facts.inputs] for end in (one, other))
        return here, there

    def _probe(self, table: Table) -> Array:
        given = self.options.input
        return random_input(table, self.options.seed) if given is None else read_input(given, table)

    def _fed(self, probe: Array, axes: str, *exports: Export) -> Array:
        """The input, of as many images as the graphs take, over and over if need be.

        Raises UsageError for graphs that read something else; ``axes`` are those of the table.
        """
        batches = {export.batch for export in exports} - {None}
        for export in exports:
            shape = export.given(probe, axes).shape
            if asked := export.misfit(shape):
                raise UsageError(
                    f"{export.implementation} reads {asked}, and the input has the shape {[*shape]}: "
                    "name one that it reads by --input"
                    + (", or a size by --set or in the table." if self.table is not None else ", .npy or .npz.")
                )
        if len(batches) > 1:
            raise UsageError(f"The graphs take {' and '.join(map(str, batches))} images, so no input suits both.")
        batch = next(iter(batches), None) or len(probe)
        if batch == len(probe):
            return probe
        self.notes.append(f"a batch of {batch} is fixed in the graph: it was held on that one only")
        return np.resize(probe, (batch, *probe.shape[1:]))

    @staticmethod
    def _named(held: Mapping[str, Array], name: str, path: Path) -> Array:
        if name not in held:
            raise UsageError(f"The graph reads {name!r}, and {path} has {', '.join(map(repr, held))}.")
        return held[name]

    def _drawn(self, export: Export) -> Array:
        """Random numbers for a graph that reads one map of a known shape."""
        if not export.facts.inputs:
            raise UsageError(f"{export.implementation} reads no input: it is no graph of a network.")
        told = ", ".join(f"{name} {dtype} {list(shape)}" for name, shape, dtype in export.facts.inputs)
        (_, shape, dtype), *more = export.facts.inputs
        if more or dtype != "float" or any(not isinstance(length, int) for length in shape[1:]):
            raise UsageError(
                f"{export.implementation} reads {told}: name an input of that shape by --input, .npy or .npz."
            )
        lengths = [length if isinstance(length, int) else _BATCH for length in shape]
        return np.random.default_rng(self.options.seed).standard_normal(lengths)

    def _result(
        self,
        compared: Compared,
        weights: str,
        checker: Mapping[str, str],
        parity: Parity | None = None,
        versions: Mapping[str, Mapping[str, str]] | None = None,
    ) -> GraphDiff:
        return GraphDiff(
            model=NO_TABLE if self.table is None else self.table.name,
            source=self.ends[0],
            target=self.ends[1],
            weights=weights,
            float64=compared.float64,
            float32=compared.float32,
            bound=compared.bound,
            first_divergence=compared.divergence,
            parity=parity,
            checker=checker,
            notes=(*self.notes, *compared.notes),
            seconds=self.watch.finish(),
            versions={**(versions or {}), "onnx": dict(self.pool["onnx"].hello["versions"])},
        )
