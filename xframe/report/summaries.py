"""``xframe summary``: a line per layer, what is not alike marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.console import ConsoleRenderable, Group
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from xframe.report.units import shape

if TYPE_CHECKING:
    from xframe.workflows.summary import Row, Summary

_UNKNOWN = "—"


def render_summary(found: Summary) -> ConsoleRenderable:
    """Names side by side, then what a layer gives and costs: once where all agree, else for each."""
    names = list(found.totals)
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for heading in ("kind", *names, "output C×H×W"):
        grid.add_column(heading, overflow="fold")
    for heading in ("parameters", "multiply-adds"):
        grid.add_column(heading, justify="right", overflow="fold")
    for row in found.rows:
        cells = (escape(row.cells[name].name or _UNKNOWN) for name in names)
        grid.add_row(row.kind, *cells, *_figures(row), style="" if row.alike else "yellow")
    title = Text(f"{found.table.name}: {found.table.summary}; input {shape(found.table.input)}")
    return Group(title, grid, *_totals(found), Text(_said(found), "dim"))


def _figures(row: Row) -> Iterator[str]:
    """Outputs, parameters, multiply-adds; where not all are alike, what most have and then who has what."""
    seen = {name: cell for name, cell in row.cells.items() if cell.outputs is not None}
    yield _one({name: "; ".join(map(shape, cell.outputs or ())) for name, cell in seen.items()})
    yield _one({name: f"{cell.parameters:,}" if cell.parameters else "" for name, cell in row.cells.items()})
    yield _one({name: _number(cell.multiply_adds) for name, cell in seen.items()})


def _one(texts: Mapping[str, str]) -> str:
    if not texts:
        return _UNKNOWN
    common = Counter(texts.values()).most_common(1)[0][0]
    others = ", ".join(f"{escape(name)} {text or 0}" for name, text in texts.items() if text != common)
    return f"{common or 0} ({others})" if others else common


def _number(count: int | None) -> str:
    return _UNKNOWN if count is None else f"{count:,}"


def _totals(found: Summary) -> Iterator[ConsoleRenderable]:
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    grid.add_column("in all")
    for heading in ("parameters", "statistics", "tensors", "multiply-adds"):
        grid.add_column(heading, justify="right")
    for name, total in found.totals.items():
        counts = f"{total.parameters:,}", f"{total.statistics:,}", str(total.tensors), _number(total.multiply_adds)
        grid.add_row(escape(name), *counts)
    yield Text()
    yield grid


def _said(found: Summary) -> str:
    from xframe.workflows.summary import CONVENTION  # noqa: PLC0415 - a report does not load what it reports on

    unknown = sorted({row.kind for row in found.rows if any(_uncounted(row, name) for name in row.cells)})
    more = f"; not counted: {', '.join(unknown)}" if unknown else ""
    return f"{CONVENTION}{more}. Layers that hold no tensor count where the table has a row for them."


def _uncounted(row: Row, name: str) -> bool:
    cell = row.cells[name]
    return cell.outputs is not None and cell.multiply_adds is None
