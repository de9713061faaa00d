"""``check``: is a table right? First as a text, then against the models that its factories build."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from xframe.builds import NOTHING
from xframe.errors import FrameworkMissing, LayoutError, ModelError, Problem, TableError
from xframe.layouts import AxisPattern
from xframe.mapping import Entry, Table, load_table
from xframe.planning.suggest import nearest
from xframe.proving.sides import Side
from xframe.stopwatch import Progress, silent
from xframe.tensors import TensorSpec
from xframe.workers import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What was found in one table.

    ``built`` are the implementations that were compared, None where none should be; ``unbuilt`` gives the reason for
    those that could not be.
    """

    name: str
    layers: int
    implementations: tuple[str, ...]
    problems: tuple[Problem, ...]
    unbuilt: Mapping[str, str]
    built: tuple[str, ...] | None = None

    def __bool__(self) -> bool:
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints, one of a list."""
        problems = [problem.to_json() for problem in self.problems]
        return {
            "table": self.name,
            "layers": self.layers,
            "implementations": list(self.implementations),
            "problems": problems,
            "built": None if self.built is None else list(self.built),
            "unbuilt": dict(self.unbuilt),
        }


def check(model: str, *, pool: Pool | None = None, progress: Progress = silent) -> CheckResult:
    """Check one table. With ``pool``, every implementation is built and its state dict compared, name by name.

    Every problem is reported at once, each with its place in the file. Raises UsageError where there is no such table.
    """
    try:
        table = load_table(model)
    except TableError as error:
        return CheckResult(name=model, layers=0, implementations=(), problems=error.problems, unbuilt={})
    problems: list[Problem] = []
    columns = table.implementations.items()
    unbuilt = {
        name: "its column has no build" for name, column in columns if column.build == NOTHING and pool is not None
    }
    for side in _start(table, pool) if pool is not None else ():
        progress(f"building {table.name} in {side.implementation.name}")
        problems.extend(_against_model(side, unbuilt))
    return CheckResult(
        name=model,
        layers=len(table.layers),
        implementations=tuple(table.implementations),
        problems=tuple(problems),
        unbuilt=unbuilt,
        built=None if pool is None else tuple(name for name in table.implementations if name not in unbuilt),
    )


def _start(table: Table, pool: Pool) -> list[Side]:
    """All implementations, building side by side."""
    return [
        Side(pool, table, column, f"check {table.name} {name}", "float32")
        for name, column in table.implementations.items()
        if column.build != NOTHING
    ]


def _against_model(side: Side, unbuilt: dict[str, str]) -> list[Problem]:
    """The table against one built implementation; without its framework, why it was not built."""
    name = side.implementation.name
    try:
        problems = [*_against(side.table, name, side.specs), *_without_tensors(side)]
        side.release()
    except FrameworkMissing as error:
        unbuilt[name] = str(error)
        return []
    except ModelError as error:
        place = f"{side.table.file.name} implementations.{name}"
        return [Problem(kind="table", tensor=place, detail=str(error))]
    return problems


def _against(table: Table, implementation: str, specs: Mapping[str, TensorSpec]) -> Iterator[Problem]:
    """The table's names and shapes against those of a built model."""
    entries = {entry.names[implementation].name: entry for entry in table.entries if implementation in entry.names}
    free = [name for name in specs if name not in entries]
    for name, entry in entries.items():
        place = entry.layer.place
        if name not in specs:
            detail = f"the row names '{name}', which the built {implementation} does not have"
            hint = nearest(name, free)
            yield Problem(
                kind="table", tensor=place, detail=detail, suggestion=f"did you mean '{hint}'?" if hint else ""
            )
        elif (expected := _mismatch(entry, implementation, specs[name])) is not None:
            detail = (
                f"'{name}' of the built {implementation} has shape {list(specs[name].shape)}; the row states {expected}"
            )
            yield Problem(kind="table", tensor=place, detail=detail)
    for name in free:
        yield Problem(
            kind="table",
            tensor=table.file.name,
            detail=f"no row speaks of '{name}', which the built {implementation} has",
        )


def _without_tensors(side: Side) -> Iterator[Problem]:
    """Layers that hold nothing are known by their name alone."""
    name = side.implementation.name
    rows = [(layer, layer.layer_name(name)) for layer in side.table.layers if not layer.kind.tensors]
    built = side.layers() if any(named for _, named in rows) else {}
    for layer, named in rows:
        if named and named not in built:
            hint = nearest(named, list(built))
            yield Problem(
                kind="table",
                tensor=layer.place,
                detail=f"the row names '{named}', a layer that the built {name} does not have",
                suggestion=f"did you mean '{hint}'?" if hint else "",
            )


def _mismatch(entry: Entry, implementation: str, spec: TensorSpec) -> str | None:
    pattern: AxisPattern = entry.names[implementation].pattern
    try:
        pattern.bind(spec.shape, entry.layer.sizes)
    except LayoutError:
        shape = entry.shape(implementation)
        return f"'{pattern.text}'" if shape is None else f"{list(shape)} ({pattern.text})"
    return None
