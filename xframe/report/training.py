"""Training parity as text: the verdict, where the sides part, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import ConsoleRenderable, Group
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from xframe.report.units import counted, figure

if TYPE_CHECKING:  # a report must not load what it reports on
    from xframe.proving.optimizers.result import OptimizerPort
    from xframe.proving.training.result import Cause, Parting, Silence, Training

COLOURS = {"equivalent": "bold green", "explained": "bold yellow", "different": "bold red"}


def render_training(result: Training) -> ConsoleRenderable:
    """The verdict of k steps, and every figure that it rests on."""
    title = Text.assemble(
        ("training", "bold"), f"  {result.source} → {result.target}  ", (result.verdict, COLOURS[result.verdict])
    )
    grid = Grid.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    steps = counted(len(result.steps), "step")
    grid.add_row("trained", f"{steps}, in training mode, in float64, {counted(result.tensors, 'tensor')} compared")
    grid.add_row("optimizer", escape(_optimizers(result)))
    if result.steps:
        first, last = result.steps[0], result.steps[-1]
        grid.add_row("loss", f"{_loss(first.losses)}, at the end {_loss(last.losses)}")
        grid.add_row("weights", f"max |a−b| / max |a| {figure(result.max_rel)}, at the end {figure(last.max_rel)}")
    if result.parting is not None:
        grid.add_row("parts at", escape(_parting(result.parting)))
    for cause in result.faults:
        grid.add_row("[red]fault[/]", escape(_cause(cause)))
    for cause in result.causes:
        grid.add_row("because", escape(_cause(cause)))
    for cause in result.accounted:
        grid.add_row("accounted", escape(cause.detail))
    for name, silence in ((result.source, result.silenced[0]), (result.target, result.silenced[1])):
        if silence.layers or silence.calls:
            grid.add_row("dropout", escape(f"off in {name}: {_silence(silence)}"))
    for note in result.notes:
        grid.add_row("note", escape(note))
    return Group(title, grid)


def add_optimizer(grid: Grid, result: OptimizerPort) -> None:
    """Rows of a port's report: what state was carried, where it went, and the training that went on from it."""
    rounding = f", rounding {figure(result.rounding)}" if result.rounding else ""
    grid.add_row("optimizer", escape(f"{result.optimizer}: {counted(result.values, 'tensor')} of state{rounding}"))
    grid.add_row("", escape(f"from {result.state}, after {counted(result.step, 'step')}"))
    trained = result.training
    more = f", max {figure(trained.max_rel)}" if trained.steps else ""
    verdict = f"[{COLOURS[trained.verdict]}]{trained.verdict}[/]"
    grid.add_row("trained on", f"{counted(len(trained.steps), 'step')} on both sides: {verdict}{more}")
    for cause in (*trained.faults, *trained.causes):
        grid.add_row("because", escape(_cause(cause)))
    grid.add_row("state in", escape(str(result.out)) if result.out else "[red]nothing[/]")


def _optimizers(result: Training) -> str:
    one, other = map(str, result.optimizers)
    return one if one == other else f"{result.source}: {one}; {result.target}: {other}"


def _loss(losses: tuple[float, float]) -> str:
    one, other = (f"{loss:.6g}" for loss in losses)
    return one if one == other else f"{one} against {other}"


def _parting(found: Parting) -> str:
    shared = found.source_name == found.target_name
    names = found.source_name if shared else f"{found.source_name} / {found.target_name}"
    return f"step {found.step}, {names}: {found.reason or f'relative {figure(found.max_rel)}'}"


def _cause(found: Cause) -> str:
    sizes = [
        (word, size) for word, size in (("predicted", found.predicted), ("found", found.found)) if size is not None
    ]
    shown = ", ".join(f"{word} {figure(size)}" for word, size in sizes)
    doubt = "" if found.confirmed else " (not confirmed)"
    return f"{found.detail}{f'; {shown}' if shown else ''}{doubt}"


def _silence(found: Silence) -> str:
    parts = [counted(len(found.layers), "layer")] if found.layers else []
    parts += [counted(found.calls, "call") + " of a function in every step"] if found.calls else []
    return " and ".join(parts)
