"""Listings: models, layers, tensors of a plan, tensors of a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.console import ConsoleRenderable, Group
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from xframe.report.units import counted, shape, size

if TYPE_CHECKING:
    from xframe.mapping import Table
    from xframe.workflows.listing import Inspection, Listed, TensorRow

_MOST_NAMED = 8
_MOST_METADATA = 12


def _grid(*headings: str) -> Grid:
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        grid.add_column(heading, overflow="fold")
    return grid


def render_models(models: Sequence[Listed]) -> ConsoleRenderable:
    """``xframe list``."""
    grid = _grid("model", "input C×H×W", "parameters", "implementations", "")
    for model in models:
        columns = ", ".join(model.implementations)
        grid.add_row(
            f"[bold]{model.name}[/]", shape(model.input), f"{model.parameters:,}", columns, escape(model.summary)
        )
    return grid


def render_layers(table: Table) -> ConsoleRenderable:
    """``xframe show MODEL``: the name-mapping table, a line per layer."""
    grid = _grid("kind", *table.implementations)
    for layer in table.layers:
        grid.add_row(layer.kind.name, *(_name(layer.names[name]) for name in table.implementations))
    differences = [
        Text(f"note: {', '.join(sorted(difference.of))}: {difference.says}", "yellow")
        for difference in table.differences
    ]
    return Group(Text(f"{table.name}: {table.summary}; {counted(len(table.layers), 'layer')}"), grid, *differences)


def _name(name: str) -> str:
    return escape(name) if name else "[dim]—[/]"


def render_plan(source: str, target: str, rows: Iterable[TensorRow], differences: Sequence[str]) -> ConsoleRenderable:
    """``xframe show MODEL SOURCE TARGET``: a line per tensor, and what the table says that is not alike."""
    grid = _grid(source, "shape", target, "shape", "rearrangement, fill")
    for row in rows:
        here, there = _name(row.source), _name(row.target)
        shapes = [
            shape(lengths) if name else ""
            for name, lengths in ((row.source, row.source_shape), (row.target, row.target_shape))
        ]
        grid.add_row(here, shapes[0], there, shapes[1], escape(row.note))
    return Group(grid, *(Text(f"note: {difference}", "yellow") for difference in differences))


def render_checkpoint(found: Inspection) -> ConsoleRenderable:
    """``xframe inspect FILE``: a line per tensor, the sums, and what the file holds besides."""
    checkpoint, digests = found.checkpoint, found.digests
    headings = ("tensor", "dtype", "shape", "bytes", *(["blake3"] if digests else []))
    rows = []
    for spec in checkpoint.specs:
        digest = [digests[spec.name].removeprefix("blake3:")[:16]] if digests else []
        rows.append((_printable(spec.name), spec.dtype, shape(spec.shape), f"{spec.nbytes:,}", *digest))
    values = sum(spec.numel for spec in checkpoint.specs)
    total = f"{counted(len(checkpoint.specs), 'tensor')}, {values:,} values, {size(checkpoint.nbytes)}"
    summary = Text(f"{checkpoint.path}: {checkpoint.format}, {total}", "bold")
    names = [Text(f"names: {owner}") for owner in found.owners]
    notes = [Text(f"note: {note}", "yellow") for note in checkpoint.notes]
    return Group(_lines(headings, rows), summary, *_sums(found), *names, *_metadata(checkpoint.metadata), *notes)


def _lines(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Text:
    """Columns as one text: rich's own tables take a millisecond a row, and models have thousands of tensors."""
    widths = [max(map(cell_len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [
        "  ".join(set_cell_size(word, width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in (headings, *rows)
    ]
    text = Text("\n".join(lines), overflow="fold")
    text.stylize("dim", 0, len(lines[0]))
    return text


def _sums(found: Inspection) -> Iterator[Text]:
    if found.dtypes:
        told = [f"{dtype} in {counted(count, 'tensor')}, {size(n)}" for dtype, (count, n) in found.dtypes.items()]
        yield Text(f"dtypes: {'; '.join(told)}")
    if found.branches:
        yield Text(f"branches: {', '.join(found.branches)}")
    if found.nonfinite:
        yield Text(f"NaN or Inf: {_clipped([_printable(name) for name in found.nonfinite])}", "yellow")


def _metadata(metadata: Mapping[str, str]) -> Iterator[ConsoleRenderable]:
    if metadata:
        grid = _grid("metadata", "")
        outer_first = sorted(metadata.items(), key=lambda item: item[0].count("."))
        for name, value in outer_first[:_MOST_METADATA]:
            grid.add_row(escape(name), escape(value))
        yield grid
    if len(metadata) > _MOST_METADATA:
        yield Text(f"and {len(metadata) - _MOST_METADATA} more, which --json lists", "dim")


def _clipped(words: Sequence[str]) -> str:
    more = [f"{len(words) - _MOST_NAMED} more"] if len(words) > _MOST_NAMED else []
    return ", ".join([*words[:_MOST_NAMED], *more])


def _printable(name: str) -> str:
    """A name out of a file, whole, with nothing in it that a terminal acts on."""
    return name if name.isprintable() else ascii(name)[1:-1]
