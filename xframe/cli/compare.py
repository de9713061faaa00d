"""The command that compares two implementations and writes nothing: diff."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xframe.cli.app import app
from xframe.cli.arguments import Debug, Json, MaxMemory, Model, Quiet, Set, Source, Target, budget, table_options
from xframe.cli.frame import display, guarded, print_json, progress_on_stderr

if TYPE_CHECKING:
    from xframe.workflows.diff import DiffOptions

_GRAPH = ".onnx"


@app.command()
@guarded
def diff(
    model: Model,
    source: Source,
    target: Target,
    source_weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The source's weights. Without any, they are random.")
    ] = None,
    target_weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The target's own weights. Without, it is given the source's by the table."),
    ] = None,
    gradients: Annotated[
        bool, typer.Option("--gradients", help="Also compare the gradients of every parameter and of the input.")
    ] = False,
    train_steps: Annotated[
        int,
        typer.Option("--train-steps", metavar="K", min=0, help="Also train both sides, K steps from the same start."),
    ] = 0,
    optimizer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,FIGURE=VALUE,…",
            help="For --train-steps: sgd, momentum (the default), nesterov, adam, adamw or rmsprop and its figures, "
            "such as adam,epsilon=1e-7; the source's / the target's where they differ.",
        ),
    ] = None,
    free: Annotated[
        bool, typer.Option("--free", help="Only let both sides run freely; no layer is fed what its counterpart read.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="For random weights, input and cotangents.")] = 0,
    atol: Annotated[float, typer.Option(min=0, help="float64: |a−b| ≤ atol + rtol·max|a|, for every layer.")] = 0.0,
    rtol: Annotated[float, typer.Option(min=0)] = 1e-9,
    input_: Annotated[
        Path | None, typer.Option("--input", metavar="FILE.npy", help="An input of your own, N×C×H×W.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Show every layer, not only the first and the worst.")] = False,
    max_memory: MaxMemory = None,
    set_: Set = None,
    json_: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,  # noqa: ARG001
) -> int:
    """Compare two implementations layer by layer in float64: where they part first, and why. Writes nothing.

    SOURCE or TARGET may be an .onnx file: its graph is held to the model, down to the node.

    [dim]xframe diff resnet18 paddle torch --source-weights mine.pdparams --target-weights mine.pth[/]
    [dim]xframe diff resnet18 torch mine.onnx --source-weights mine.pth[/]
    """
    from xframe.comparison import Tolerance
    from xframe.errors import UsageError
    from xframe.workflows.diff import DiffOptions
    from xframe.workflows.diff import diff as carry_out

    if optimizer is not None and not train_steps:
        raise UsageError("--optimizer is what both sides are trained with, so it goes with --train-steps K.")
    options = DiffOptions(
        source_weights=source_weights, target_weights=target_weights, seed=seed, input=input_, refed=not free,
        tolerance=Tolerance(atol=atol, rtol=rtol), gradients=gradients, train_steps=train_steps,
        optimizer=optimizer or "momentum", set=table_options(set_),
        budget=budget(max_memory),
    )  # fmt: skip
    if source.lower().endswith(_GRAPH) or target.lower().endswith(_GRAPH):
        return _diff_graphs(model, source, target, options, json_=json_, quiet=quiet)
    with progress_on_stderr(quiet=quiet or json_) as progress:
        result = carry_out(model, source, target, options, progress=progress)
    if json_:
        print_json(result.to_json())
    elif not quiet:
        from xframe.report.diffs import render_diff

        display(render_diff(result, every=every))
    return result.exit_code


def _diff_graphs(model: str, source: str, target: str, options: DiffOptions, *, json_: bool, quiet: bool) -> int:
    """An .onnx file on one side, or on both."""
    from xframe.workflows.diff_graphs import diff_graphs

    with progress_on_stderr(quiet=quiet or json_) as progress:
        result = diff_graphs(model, source, target, options, progress=progress)
    if json_:
        print_json(result.to_json())
    elif not quiet:
        from xframe.report.onnx import render_graph_diff

        display(render_graph_diff(result))
    return result.exit_code
