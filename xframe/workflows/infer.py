"""``infer``: from two models that no table describes to the table, each of its rows tried out."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from xframe.builds import NOTHING
from xframe.checkpoints.staging import staged
from xframe.errors import UsageError
from xframe.inferring.alignment import Candidates, by_name, by_order
from xframe.inferring.asked import InferOptions, bare, onto, skeleton
from xframe.inferring.bare import BareFiles
from xframe.inferring.bench import Bench, Watched, watched
from xframe.inferring.copying import copied, gathered
from xframe.inferring.draft import Draft
from xframe.inferring.evidence import finding_of
from xframe.inferring.fusing import composed
from xframe.inferring.pairing import Hints
from xframe.inferring.parts import Part, parts_of
from xframe.inferring.result import InferResult
from xframe.inferring.rows import row_of
from xframe.inferring.search import Search
from xframe.inferring.ties import untied
from xframe.inferring.writing import head_of, written
from xframe.mapping import Kinds, Table, load_kinds, load_table
from xframe.proving import oddities
from xframe.proving.probe import random_input
from xframe.proving.sides import Side
from xframe.stopwatch import Progress, Stopwatch, silent
from xframe.tensors import Array
from xframe.workers import Pool
from xframe.workflows.diff import DiffOptions, diff

DTYPE = "float64"
CELLS = ("lstm_cell", "gru_cell")  # one layer and direction of a recurrent network, where one side has several
WHOLE = ("lstm", "gru")  # then those of one layer are read as cells too


def infer(
    source: str,
    target: str,
    options: InferOptions,
    *,
    pool: Pool | None = None,
    progress: Progress = silent,
) -> InferResult:
    """Find out which layer of ``target`` is which of ``source``, each ``column=build`` such as ``torch=net:Net``.

    ``source`` may be a table instead, by name or path: the target becomes a further column of it.

    Doubts are results, not errors. Raises UsageError, ModelError and the others of xframe.errors; OutputError where the
    table cannot be written. Without ``pool`` the workers end with the call.

    >>> bool(infer("paddle=mine:Net", "torch=theirs:Net", InferOptions(input=(3, 64, 64))))  # doctest: +SKIP
    True
    """
    known = load_kinds()
    given = None if "=" in source else load_table(source, options.set)
    table = skeleton((source, target), options, known) if given is None else onto(given, target, options, known)
    if any(column.build == NOTHING for column in table.implementations.values()):
        return _of_files(table, given, (source, target), options, known)
    with ExitStack() as stack:
        workers = pool or stack.enter_context(Pool())
        workers.start(*(column.framework.name for column in table.implementations.values()))
        stack.enter_context(workers.scratch())
        return _Infer(table, given, options, known, workers, Stopwatch(progress), progress).carry_out()


def _of_files(
    table: Table, given: Table | None, sides: tuple[str, str], options: InferOptions, known: Kinds
) -> InferResult:
    """From two weight files alone. Raises UsageError where only one side is a file, for nothing could be run."""
    files = bare(table, sides) if given is None else None
    if files is None:
        raise UsageError("One side is a file of weights, and the other is not. Expected two models, or two files.")
    began = time.perf_counter()
    work = BareFiles(table, known, files)
    alone = work.carry_out()
    names = tuple(table.implementations)
    rows = [row_of(finding, table.implementations) for finding in work.found]
    head = head_of(table, [row.kind for row in rows], known)
    seconds = time.perf_counter() - began
    text, count = written(head, rows, dict(zip(names, alone, strict=True)), known)
    if options.out is not None:
        with staged(options.out) as stage:
            stage.path.write_text(text, encoding="utf-8")
            stage.publish()
    specs = tuple({name: tensor.spec for name, tensor in file.tensors.items()} for file in files)
    return InferResult(
        columns=(names[0], names[1]), specs=(specs[0], specs[1]), findings=tuple(work.found),
        source_alone=tuple(alone[0]), target_alone=tuple(alone[1]), text=text, rows=count, runs=0, out=options.out,
        notes=("two files of weights: nothing was run",), seconds={"read": seconds, "total": seconds},
    )  # fmt: skip


@dataclass(slots=True)
class _Infer:
    """One inference under way."""

    table: Table
    given: Table | None  # that gets a column more
    options: InferOptions
    known: Kinds
    pool: Pool
    watch: Stopwatch
    progress: Progress
    source: Side = field(init=False)
    target: Side = field(init=False)

    def __post_init__(self) -> None:
        one, other = self.table.implementations.values()
        self.source = Side(self.pool, self.table, one, "infer source", DTYPE)
        self.target = Side(self.pool, self.table, other, "infer target", DTYPE)

    def carry_out(self) -> InferResult:
        """The straight line."""
        with self.watch("build", "building both models"):
            probe = random_input(self.table, self.options.seed)
            sources, targets = (self._parts(side, probe, self.known) for side in (self.source, self.target))
            if any(part.reads_as(*CELLS) for part in (*sources, *targets)):
                single = replace(self.known, kinds={n: kind for n, kind in self.known.kinds.items() if n not in WHOLE})
                sources, targets = (self._parts(side, probe, single) for side in (self.source, self.target))
            separators = [column.framework.separator for column in self.table.implementations.values()]
            sources, targets = (composed(sources, targets, separators[0]), composed(targets, sources, separators[1]))
            one, other = self.table.implementations.values()
            candidates = Candidates((one, other), self._hints(probe))
            targets = gathered(targets, sources, candidates, turned=True)
            sources = gathered(sources, targets, candidates, turned=False)
        with self.watch("pair", "pairing by kinds, lengths, order and names"):
            bench = Bench(self.source, self.target, probe, self.options.seed)
            search = self._started(bench, sources, targets, candidates)
        with self.watch("try", "trying pairs out"):
            search.carry_out()
            findings = tuple(finding_of(search, part) for part in sources if part.cell in search.pairs)
        paired = {finding.pairing.target.cell for finding in findings}
        alone = (
            tuple(part for part in sources if part.cell not in search.pairs),
            tuple(part for part in targets if part.cell not in paired),
        )
        lonely = dict(zip(bench.columns, alone, strict=True))
        draft = Draft(self.table, self.given, self.known, findings, lonely, search.softmax)
        text, rows = draft.text(self.options.out.absolute().parent if self.options.out is not None else Path.cwd())
        notes = (*draft.notes, *oddities.notes((self.source, self.target), probe), *copied(findings, bench.columns))
        result = InferResult(
            columns=bench.columns, specs=(self.source.specs, self.target.specs), findings=draft.findings,
            source_alone=alone[0], target_alone=alone[1], text=text,
            rows=rows, runs=bench.runs, notes=notes,
        )  # fmt: skip
        with self.watch("prove", "comparing both models by the table"):
            result = self._proven(result, draft)
        return replace(result, seconds=self.watch.finish())

    def _parts(self, side: Side, probe: Array, kinds: Kinds) -> list[Part]:
        """The parts of a model, in the order in which they run; parts that do not run are last."""
        framework = side.implementation.framework
        specs, layers = side.specs, side.layers()  # a model that cannot be built says so first
        found = parts_of(specs, layers, framework.name, framework.separator, kinds)
        found = untied(side, found)
        taps = list(dict.fromkeys(part.layer for part in found if part.layer))
        calls = watched(side, probe, taps)
        placed = []
        for part in found:
            own = [index for index, call in enumerate(calls) if call.layer == part.layer]
            first = calls[own[0]] if own else Watched(part.layer)
            shared = sum(other.layer == part.layer for other in found) > 1
            placed.append(replace(part, calls=tuple(own), gave=first.gave, read=first.read, shared=shared))
        return sorted(placed, key=lambda part: part.calls[:1] or (len(calls),))

    def _started(self, bench: Bench, sources: list[Part], targets: list[Part], candidates: Candidates) -> Search:
        """The better of two first guesses."""
        bench.prepare(sources, targets)
        searches: list[Search] = []
        for guess in (by_order, by_name):
            pairs = guess(sources, targets, candidates)
            if searches and pairs == searches[0].pairs:
                continue
            bench.without(pairs.values())
            search = Search(bench, candidates, sources, targets, pairs, self.progress)
            searches.append(search)
            failing = search.first_failing()
            if failing is None:
                return search
        return max(searches, key=lambda search: len(search.settled))

    def _hints(self, probe: Array) -> Hints:
        """Shapes of feature maps, and numbers of heads, from both models."""
        maps: dict[tuple[int, int, int], None] = {}
        heads: dict[int, None] = {}
        for side in (self.source, self.target):
            for call in side.calls(probe, list(side.layers())):
                for shape in (call.gave, call.read):
                    if len(shape) == 3:
                        maps[shape[0], shape[1], shape[2]] = None
            for held in side.attributes().values():
                if isinstance(number := held.get("heads"), int):
                    heads[number] = None
        return Hints(tuple(maps), tuple(heads))

    def _proven(self, result: InferResult, draft: Draft) -> InferResult:
        """Both models compared by the table, as any user of it would; then it is put where it should go.

        Paths in a table are from its folder, so that one that goes nowhere is written for a temporary folder meanwhile.
        """
        out, proof = self.options.out, None
        with ExitStack() as stack:
            home = Path(os.path.realpath(stack.enter_context(TemporaryDirectory()))) if out is None else None
            stage = stack.enter_context(staged(out or Path(home or "") / "inferred.toml", ending=".toml"))
            stage.path.write_text(result.text if home is None else draft.text(home)[0], encoding="utf-8")
            if self.options.prove and draft.whole and not (result.source_alone or result.target_alone):
                options = DiffOptions(seed=self.options.seed, set=self.options.set if self.given is not None else {})
                proof = diff(str(stage.path), *result.columns, options, pool=self.pool)
            if out is not None:
                stage.publish()
        return replace(result, proof=proof, out=out)
