"""Exports for people: what each is and holds, who agrees with whom, who is to blame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import ConsoleRenderable, Group
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from xframe.report.text import COLOURS, add_causes, divergence_line, rows, seconds_line
from xframe.report.units import figure, size

if TYPE_CHECKING:  # a report must not load what it reports on
    from xframe.comparison import Comparison
    from xframe.proving.onnx.blame import Blame
    from xframe.proving.onnx.graph_diff import GraphDiff
    from xframe.proving.onnx.parity import Parity
    from xframe.proving.onnx.result import OnnxResult

_HEADINGS = (
    "export", "by", "opset", "layout", "float64, relative", "float32", "bound", "initialisers", "size", "took",
)  # fmt: skip


def render_onnx(result: OnnxResult) -> ConsoleRenderable:
    """The verdict, a row for each export, the matrix of who agrees with whom, and what was found behind it."""
    head = Text.assemble((result.table.name, "bold"), f"  {', '.join(result.implementations)} → onnx  ")
    head.append(result.verdict, COLOURS.get(result.verdict, "bold yellow"))
    grid = rows()
    grid.add_row("weights", escape(result.weights))
    for name, reason in result.failed.items():
        grid.add_row(f"[red]{escape(name)}[/]", escape(reason))
    for name, found in result.divergences.items():
        grid.add_row(f"[red]{escape(name)} parts at[/]", divergence_line(found))
        add_causes(grid, found.causes)
    for parity in result.parities:
        if parity.blame is not None:
            add_blame(grid, f"blame for {parity.implementation}.onnx", parity.blame)
    for note in result.notes:
        grid.add_row("note", escape(note))
    for name, path in result.out.items():
        grid.add_row("wrote", f"{escape(str(path))}  ({escape(name)})")
    grid.add_row("took", seconds_line(result.seconds))
    parts: list[ConsoleRenderable] = [head, grid]
    if result.parities:
        parts += [Text(), Text("the exports, each held to its model", "dim"), _exports(result.parities)]
    if result.agreements:
        parts += [Text(), Text("who agrees with whom: the largest difference, relative", "dim"), _matrix(result)]
    return Group(*parts)


def render_graph_diff(result: GraphDiff) -> ConsoleRenderable:
    """A model against a graph, or two graphs: the verdict and what it rests on."""
    head = Text.assemble((result.model, "bold"), f"  {result.source} → {result.target}  ")
    head.append(result.verdict, COLOURS.get(result.verdict, "bold yellow"))
    grid = rows()
    grid.add_row("weights", escape(result.weights))
    if result.float64 is not None:
        grid.add_row("float64", _figures(result.float64))
    grid.add_row("float32", f"{_figures(result.float32)}; may be {figure(result.bound)}")
    if result.parity is not None:
        grid.add_row("initialisers", escape(brief_weights(result.parity)))
        for one in result.parity.weights.altered if result.blame is None or not result.blame.causes else ():
            grid.add_row("[red]altered[/]", escape(str(one)))
    for name, said in result.checker.items():
        if said:
            grid.add_row(f"[red]checker, {escape(name)}[/]", escape(said))
    if result.blame is not None:
        add_blame(grid, "blame", result.blame)
    elif result.first_divergence is not None:
        found = result.first_divergence
        grid.add_row("[red]parts at[/]", escape(f"{found.source_name} / {found.target_name}"))
        add_causes(grid, found.causes)
    for note in result.notes:
        grid.add_row("note", escape(note))
    grid.add_row("took", seconds_line(result.seconds))
    return Group(head, grid)


def _figures(comparison: Comparison) -> str:
    text = comparison.reason or f"max |a−b| {figure(comparison.max_abs)}, relative {figure(comparison.max_rel)}"
    return _coloured(text, passed=bool(comparison))


def add_blame(grid: Grid, label: str, found: Blame) -> None:
    """Who, where, and how that is known."""
    grid.add_row(f"[red]{escape(label)}[/]", f"[bold]{escape(found.party)}[/]: {escape(found.because)}")
    if found.place:
        grid.add_row("", escape(f"at {found.place}"))
    add_causes(grid, found.causes)


def _exports(parities: tuple[Parity, ...]) -> Grid:
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for heading in _HEADINGS:
        grid.add_column(heading, overflow="fold")
    for parity in parities:
        facts = parity.export.facts
        grid.add_row(
            escape(f"{parity.implementation}.onnx"), escape(parity.export.exporter), str(facts.opset), facts.layout,
            exact(parity), _coloured(figure(parity.comparison.max_abs), passed=bool(parity.comparison)),
            figure(parity.bound), escape(brief_weights(parity)), size(facts.nbytes),
            f"{parity.export.seconds + parity.seconds:.1f} s",
        )  # fmt: skip
    return grid


def exact(parity: Parity) -> str:
    """The relative difference in float64, or that there is none."""
    if parity.float64 is None:
        return "[yellow]not computed[/]"
    return _coloured(parity.float64.reason or figure(parity.float64.max_rel), passed=bool(parity.float64))


def brief_weights(parity: Parity) -> str:
    """How many initialisers are what, in a few words."""
    held = parity.weights
    counts = dict(held.counts)
    counts |= {"altered": len(held.altered), "unexplained": len(held.unexplained), "absent": len(held.absent)}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _matrix(result: OnnxResult) -> Grid:
    """Every pair once: a row for each corner, a column for each one before it."""
    names = list(dict.fromkeys(name for pair in result.agreements for name in (pair.one, pair.other)))
    cells = {
        (pair.other, pair.one): _coloured(
            figure(pair.figure.max_rel) if not pair.figure.reason else pair.figure.reason, passed=bool(pair)
        )
        for pair in result.agreements
    }
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for heading in ("", *names[:-1]):
        grid.add_column(escape(heading), overflow="fold")
    for index, name in enumerate(names[1:], start=1):
        grid.add_row(escape(name), *(cells[name, other] for other in names[:index]))
    return grid


def _coloured(text: str, *, passed: bool) -> str:
    return escape(text) if passed else f"[red]{escape(text)}[/]"
