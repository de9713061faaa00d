"""What is said of a golden: held, or recorded."""

from __future__ import annotations

from pathlib import Path

from rich.console import ConsoleRenderable, Group
from rich.markup import escape
from rich.text import Text

from xframe.comparison import Comparison
from xframe.report.text import COLOURS, add_causes, divergence_line, rows
from xframe.report.units import counted, figure, size
from xframe.testing.golden_result import GoldenResult
from xframe.testing.goldens import Golden

_SHOWN = 5


def render_golden(result: GoldenResult) -> ConsoleRenderable:
    """The verdict, where the two part first and why, and the gradients that differ."""
    golden = result.golden
    head = Text.assemble((golden.model, "bold"), f"  {golden.column} → {result.column}  ")
    head.append(result.verdict, COLOURS[result.verdict])
    grid = rows()
    grid.add_row("golden", escape(f"{result.path}, recorded with {golden.by}"))
    grid.add_row("weights", escape(golden.weights or f"random weights, seed {golden.seed}"))
    grid.add_row("outputs", _apart(result.outputs))
    grid.add_row("layers", f"{counted(len(result.paired), 'call')} compared, {len(result.parted)} differ")
    if result.first_divergence is not None:
        grid.add_row("[red]parts at[/]", divergence_line(result.first_divergence))
        add_causes(grid, result.first_divergence.causes)
        if not result.first_divergence.causes:
            where = f"`xframe diff {golden.model} {golden.column} {result.column}`, where both frameworks are installed"
            grid.add_row("try", escape(f"{where}: a golden does not hold what layers read"))
    if result.gradients is not None:
        failed = [found for found in result.gradients if not found.comparison]
        mark = "[red]differ[/]" if failed else "agree"
        grid.add_row("gradients", f"{mark}: {counted(len(result.gradients), 'tensor')} compared, {len(failed)} differ")
        for found in failed[:_SHOWN]:
            grid.add_row("", f"[red]{escape(found.name)}[/]: {_apart(found.comparison)}")
    for note in result.notes:
        grid.add_row("note", escape(note))
    return Group(head, grid)


def _apart(comparison: Comparison) -> str:
    return escape(comparison.reason) or f"relative {figure(comparison.max_rel)}"


def recorded_line(golden: Golden, path: Path) -> str:
    """One line on a file that was written."""
    calls = counted(len(golden.calls), "layer call")
    return f"recorded {path.name}  ({size(path.stat().st_size)}: {calls} of {golden.by})"
