"""An inference for people: how much is certain, what is not and why, and whether both models agree by the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import ConsoleRenderable, Group
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from xframe.report.text import add_causes, divergence_line, rows, seconds_line
from xframe.report.units import counted, figure

if TYPE_CHECKING:  # a report must not load what it reports on
    from xframe.inferring.parts import Part
    from xframe.inferring.result import InferResult
    from xframe.proving.diff_result import DiffResult

_COLOURS = {"inferred": "bold green", "different": "bold red"}


def render_infer(result: InferResult, *, every: bool = False) -> ConsoleRenderable:
    """The verdict and what it rests on; ``every`` pair with its evidence."""
    head = Text(f"{result.columns[0]} → {result.columns[1]}  ")
    head.append(result.verdict, _COLOURS.get(result.verdict, "bold yellow"))
    grid = rows()
    sure = len(result.findings) - len(result.doubtful)
    grid.add_row(
        "layers", f"{sure} of {len(result.findings)} certain, in {counted(result.rows, 'row')}; the target ran "
        f"{counted(result.runs, 'time')}",
    )  # fmt: skip
    for finding in result.doubtful:
        names = f"{finding.pairing.source.called} / {finding.pairing.target.called}"
        grid.add_row("[yellow]doubtful[/]", escape(f"{names}: {finding.doubt}"))
    for column, parts in zip(result.columns, (result.source_alone, result.target_alone), strict=True):
        for part in parts:
            grid.add_row("[yellow]alone[/]", escape(f"{column}: {_part(part)}"))
    if result.proof is not None:
        _add_proof(grid, result.proof)
    for note in result.notes:
        grid.add_row("note", escape(note))
    if result.out is not None:
        grid.add_row("wrote", escape(str(result.out)))
    grid.add_row("took", seconds_line(result.seconds))
    shown: list[ConsoleRenderable] = [head, grid]
    return Group(*shown, Text(), _pairs(result)) if every else Group(*shown)


def _add_proof(grid: Grid, proof: DiffResult) -> None:
    compared = proof.outputs
    apart = compared.reason or f"max |a−b| {figure(compared.max_abs)}, relative {figure(compared.max_rel)}"
    grid.add_row("float64", f"{proof.verdict} by this table: {apart}")
    if proof.first_divergence is not None:
        grid.add_row("[red]parts at[/]", divergence_line(proof.first_divergence))
        add_causes(grid, proof.first_divergence.causes)


def _part(part: Part) -> str:
    shapes = ", ".join(f"{own} {'×'.join(map(str, spec.shape)) or 'scalar'}" for own, spec in part.tensors.items())
    return f"{part.called} ({f'{part.class_}: ' if part.class_ else ''}{shapes})"


def _pairs(result: InferResult) -> Grid:
    grid = Grid(box=None, pad_edge=False, header_style="dim")
    for heading in ("kind", *result.columns, "evidence"):
        grid.add_column(escape(heading), overflow="fold")
    for finding in result.findings:
        pairing = finding.pairing
        said = finding.evidence + (f"; [yellow]{escape(finding.doubt)}[/]" if finding.doubt else "")
        grid.add_row(pairing.kind.name, escape(pairing.source.cell), escape(pairing.target.cell), said)
    return grid
