"""A diff for people: the layers that part, the worst ones, causes, gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import ConsoleRenderable, Group
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from xframe.comparison import Comparison
from xframe.report.text import add_causes, divergence_line, rows, seconds_line, title
from xframe.report.training import render_training
from xframe.report.units import counted, figure

if TYPE_CHECKING:  # a report must not load what it reports on
    from xframe.proving.diff_result import DiffResult
    from xframe.proving.gradient_diff import Gradients
    from xframe.proving.layer_diff import LayerDiff

_SHOWN = 5


def render_diff(result: DiffResult, *, every: bool = False) -> ConsoleRenderable:
    """The verdict, the outputs, the layers (the worst ones, or ``every`` one), and what was found behind them."""
    grid = rows()
    grid.add_row("weights", escape(result.weights))
    for tensor in result.tensors or ():
        grid.add_row("[red]tensor[/]", escape(f"{tensor.name}: {tensor.how}"))
    grid.add_row("outputs", _apart(result.outputs))
    parted = [diff for diff in result.layers.calls if not diff]
    alone = f"; {len(result.layers.own)} by themselves" if parted else ""
    grid.add_row("layers", f"{counted(len(result.layers.calls), 'call')} compared, {len(parted)} differ{alone}")
    if result.first_divergence is not None:
        grid.add_row("[red]parts at[/]", divergence_line(result.first_divergence))
        add_causes(grid, result.first_divergence.causes)
    _add_other_causes(grid, result)
    if result.gradients is not None:
        _add_gradients(grid, result.gradients)
    for note in result.notes:
        grid.add_row("note", escape(note))
    grid.add_row("took", seconds_line(result.seconds))
    shown = result.layers.calls if every else result.layers.worst(_SHOWN)
    heading = Text("every layer, as the source runs them" if every else "the layers that are furthest apart", "dim")
    parts: list[ConsoleRenderable] = [title(result.plan, result.verdict), grid, Text(), heading, _layers(shown)]
    if result.training is not None:
        parts += [Text(), render_training(result.training)]
    return Group(*parts)


def _layers(calls: tuple[LayerDiff, ...]) -> Grid:
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for heading in ("layer", "source", "target", "free-running", "by itself"):
        grid.add_column(heading, overflow="fold")
    for diff in calls:
        names = diff.layer.kind.name, diff.source_name, diff.target_name
        turn = f" (call {diff.turn + 1})" if diff.turn else ""
        own = "" if diff.own is None else _relative(diff.own)
        grid.add_row(names[0], f"{escape(names[1])}{turn}", escape(names[2]), _relative(diff.free), own)
    return grid


def _relative(comparison: Comparison) -> str:
    text = escape(comparison.reason) if comparison.reason else figure(comparison.max_rel)
    return text if comparison else f"[red]{text}[/]"


def _apart(comparison: Comparison) -> str:
    if comparison.reason:
        return escape(comparison.reason)
    return f"max |a−b| {figure(comparison.max_abs)}, relative {figure(comparison.max_rel)}"


def _add_other_causes(grid: Grid, result: DiffResult) -> None:
    """Layers behind the first one that part by themselves: faults of their own."""
    first = result.first_divergence.layer if result.first_divergence is not None else ""
    for name, causes in result.causes.items():
        if name != first:
            grid.add_row("[red]parts too[/]", f"[bold]{escape(name)}[/]")
            add_causes(grid, causes)


def _add_gradients(grid: Grid, found: Gradients) -> None:
    worst = found.worst
    how = worst.comparison.reason or f"relative {figure(worst.comparison.max_rel)} at most"
    mark = "agree" if found else "[red]differ[/]"
    grid.add_row("gradients", f"{mark}: {counted(len(found.diffs), 'tensor')} compared, {escape(how)}")
    for diff in found.failed[:_SHOWN]:
        names = " / ".join(dict.fromkeys((diff.source_name, diff.target_name)))
        grid.add_row("", f"[red]{escape(names)}[/]: {_relative(diff.comparison)}")
    if len(found.failed) > _SHOWN:
        grid.add_row("", f"and {len(found.failed) - _SHOWN} more")
    for note in found.notes:
        grid.add_row("", escape(note))
    for problem in found.problems:
        grid.add_row(f"[red]{problem.kind}[/]", escape(str(problem)))
