"""From a line to its tests: each knows its id, the frameworks that it needs, and how to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from xframe.errors import FrameworkMissing, UsageError, XframeError
from xframe.files import check_output
from xframe.mapping import Table, load_table
from xframe.proving.optimizers.spec import parse_optimizers
from xframe.report.text import plain
from xframe.testing.asked import Asked
from xframe.testing.golden_file import FOLDER, golden_path, golden_paths, read_golden, write_golden
from xframe.testing.lines import EquivalenceLine, GoldenLine, Line
from xframe.testing.pairs import How, failure_of
from xframe.testing.passage import Subject
from xframe.testing.record import record
from xframe.testing.reporting import recorded_line, render_golden
from xframe.testing.verify import verify
from xframe.workers import Pool

SAID = "xframe"  # the property of a test that a line beneath the results is for
Tell = Callable[[str, Any], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test. ``frameworks`` are those that its workers have to import."""

    id: str
    frameworks: frozenset[str]
    marks: Sequence[Any] = ()

    @property
    def group(self) -> str:
        """For xdist: tests of the same frameworks run in one process, which starts each of them once."""
        return f"xframe-{'-'.join(sorted(self.frameworks))}"

    def check(self, pool: Pool, folder: Path, tell: Tell) -> None:
        """Fails with what xframe says, and nothing of how it came to it. Raises FrameworkMissing."""
        __tracebackhide__ = True
        try:
            said = self.failure(pool, folder, tell)
        except FrameworkMissing:
            raise
        except XframeError as error:
            said = str(error)
        if said:
            pytest.fail(said, pytrace=False)

    def failure(self, pool: Pool, folder: Path, tell: Tell) -> str:
        """Why the test fails, "" where it does not."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCase(Case):
    """A pair of columns."""

    model: str
    source: str
    target: str
    how: How

    def failure(self, pool: Pool, folder: Path, tell: Tell) -> str:  # noqa: ARG002 - one signature for all cases
        return failure_of(self.model, self.source, self.target, self.how, pool=pool, folder=folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenCase(Case):
    """A column, held to goldens, or ``recorded`` as one first; ``folder`` is where the test file lies."""

    line: GoldenLine
    column: str
    name: str
    folder: Path
    asked: Asked
    recorded: bool

    @property
    def subject(self) -> Subject:
        table, line = load_table(_model(self.line.model, self.folder), self.line.set), self.line
        files = (_beside(place, self.folder) for place in (line.weights, line.input))
        return Subject(table=table, seed=line.seed, **dict(zip(("weights", "input"), files, strict=True)))

    def failure(self, pool: Pool, folder: Path, tell: Tell) -> str:  # noqa: ARG002 - one signature for all cases
        gradients = self.line.gradients or self.asked.gradients
        if self.recorded:
            path = golden_path(self.folder, self.name, self.column)
            made = record(self.subject, self.column, pool, gradients=gradients)
            write_golden(made, path)
            tell(SAID, recorded_line(made, path))
        return "\n\n".join(self._held(pool, gradients=gradients))

    def _held(self, pool: Pool, *, gradients: bool) -> Iterator[str]:
        paths = golden_paths(self.folder, self.name)
        if self.line.record is not None:
            paths = [golden_path(self.folder, self.name, self.line.record)]
        if not paths or not paths[0].exists():
            yield self._missing()
            return
        tolerance = self.asked.tolerance(self.line.rtol, self.line.atol)
        for path in paths:
            shown = path.relative_to(self.folder)
            kept = read_golden(path)
            result = verify(kept, shown, self.subject, self.column, pool=pool, tolerance=tolerance, gradients=gradients)
            if not result:
                yield plain(render_golden(result))

    def _missing(self) -> str:
        wanted = self.line.record or "COLUMN"
        return (
            f"There is no golden {FOLDER}/{golden_path(self.folder, self.name, wanted).name} beside the test file. "
            f"Record it with pytest --xframe-record, where {self.line.record or 'the recorded framework'} is installed."
        )


def cases(line: Line, folder: Path, asked: Asked) -> list[Case]:
    """The tests of a line in a file of ``folder``. Raises UsageError or TableError where it asks for what is not."""
    model = _model(line.model, folder)
    table = load_table(model, line.set)
    if isinstance(line, GoldenLine):
        return [*_golden_cases(line, table, folder, asked)]
    parse_optimizers(line.optimizer)
    return [*_pair_cases(line, model, table, folder, asked)]


def _pair_cases(line: EquivalenceLine, model: str, table: Table, folder: Path, asked: Asked) -> Iterator[PairCase]:
    how = How(
        tolerance=asked.tolerance(line.rtol, line.atol), seed=line.seed, weights=_beside(line.weights, folder),
        input=_beside(line.input, folder), gradients=line.gradients or asked.gradients,
        train_steps=asked.steps(line.train_steps), optimizer=line.optimizer, onnx=line.onnx or asked.onnx,
        format=line.format, round_trip=line.round_trip, set=line.set,
    )  # fmt: skip
    for source, target, marks in _pairs(line, table):
        ends = table.implementation(source), table.implementation(target)
        if line.format:
            check_output(Path(f"ported{line.format}"), ends[1])
        needs = {end.framework.name for end in ends} | ({"onnx"} if how.onnx else set())
        yield PairCase(
            id=f"{source}-{target}", frameworks=frozenset(needs), marks=marks, model=model, source=source,
            target=target, how=how,
        )  # fmt: skip


def _pairs(line: EquivalenceLine, table: Table) -> Iterator[tuple[str, str, Sequence[Any]]]:
    """Source, target and marks. Raises UsageError for a pair that is none."""
    if line.pairs is not None and line.columns is not None:
        raise UsageError("equivalence takes pairs or columns, not both.")
    for given in line.pairs if line.pairs is not None else permutations(_columns(line.columns, table), 2):
        values, marks = getattr(given, "values", given), getattr(given, "marks", ())
        match tuple(values) if isinstance(values, tuple | list) else ():
            case (str(source), str(target)):
                yield source, target, tuple(marks)
            case _:
                raise UsageError(f"pairs are (source, target), such as ('paddle', 'torch'); found {given!r}.")


def _golden_cases(line: GoldenLine, table: Table, folder: Path, asked: Asked) -> Iterator[GoldenCase]:
    columns, name = _columns(line.columns, table), line.name or table.name
    if line.record is not None:
        table.implementation(line.record)
    recorded = _recorded(line, table, asked, columns)
    if recorded is not None:
        columns, line = [recorded], replace(line, record=recorded)  # it is held to what it has just written
    for column in columns:
        needs = frozenset({table.implementation(column).framework.name})
        yield GoldenCase(
            id=column, frameworks=needs, line=line, column=column, name=name, folder=folder, asked=asked,
            recorded=recorded is not None,
        )  # fmt: skip


def _recorded(line: GoldenLine, table: Table, asked: Asked, columns: Sequence[str]) -> str | None:
    """The column to record, None where none is: another is asked for than the line records, or than the table has."""
    if asked.record is None:
        return None
    own = line.record or columns[0]
    if asked.record in ("", own):
        return own
    return asked.record if line.record is None and asked.record in table.implementations else None


def _columns(named: Sequence[str] | None, table: Table) -> list[str]:
    """Those that are named, else all. Raises UsageError for one that the table has not."""
    return [table.implementation(name).name for name in (named if named is not None else table.implementations)]


def _model(model: str, folder: Path) -> str:
    """A table's path is relative to the test file, a name is xframe's own."""
    return str(folder / model) if model.endswith(".toml") or "/" in model else model


def _beside(place: Any, folder: Path) -> Path | None:
    return None if place is None else folder / place
