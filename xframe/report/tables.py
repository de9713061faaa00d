"""Listings: models, layers, tensors of a plan, tensors of a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import ConsoleRenderable, Group
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from xframe.report.units import counted, shape, size

if TYPE_CHECKING:
    from xframe.checkpoints.model import Checkpoint
    from xframe.mapping import Table
    from xframe.workflows.listing import Listed, TensorRow


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
        grid.add_row(layer.kind.name, *(escape(layer.names[name]) for name in table.implementations))
    return Group(Text(f"{table.name}: {table.summary}; {counted(len(table.layers), 'layer')}"), grid)


def render_plan(source: str, target: str, rows: Iterable[TensorRow]) -> ConsoleRenderable:
    """``xframe show MODEL SOURCE TARGET``: a line per tensor."""
    grid = _grid(source, "shape", target, "shape", "rearrangement, fill")
    for row in rows:
        here, there = (escape(name) if name else "[dim]—[/]" for name in (row.source, row.target))
        shapes = [
            shape(lengths) if name else ""
            for name, lengths in ((row.source, row.source_shape), (row.target, row.target_shape))
        ]
        grid.add_row(here, shapes[0], there, shapes[1], escape(row.note))
    return grid


def render_checkpoint(checkpoint: Checkpoint, digests: Mapping[str, str], owner: str) -> ConsoleRenderable:
    """``xframe inspect FILE``."""
    grid = _grid("tensor", "dtype", "shape", "bytes", *(["sha256"] if digests else []))
    for spec in checkpoint.specs:
        digest = [digests[spec.name].removeprefix("sha256:")[:16]] if digests else []
        grid.add_row(escape(spec.name), spec.dtype, shape(spec.shape), f"{spec.nbytes:,}", *digest)
    values = sum(spec.numel for spec in checkpoint.specs)
    total = f"{counted(len(checkpoint.specs), 'tensor')}, {values:,} values, {size(checkpoint.nbytes)}"
    summary = f"{checkpoint.path}: {checkpoint.format}, {total}"
    names = [Text(f"names: {owner}")] if owner else []
    return Group(grid, Text(summary, "bold"), *names, *(Text(f"note: {note}", "yellow") for note in checkpoint.notes))
