"""The command that exports and holds the exports to their models: onnx."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xframe.cli.app import app
from xframe.cli.arguments import Debug, Json, MaxMemory, Model, Quiet, Set, budget, columns, table_options
from xframe.cli.frame import display, guarded, print_json, progress_on_stderr


@app.command()
@guarded
def onnx(
    model: Model,
    implementations: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[IMPLEMENTATION]…",
            help="Columns of the table. Default: those that are called as their framework is.",
            autocompletion=columns,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The first implementation's weights; without any, they are random."),
    ] = None,
    opset: Annotated[int | None, typer.Option(metavar="N", help="For every exporter. Default: each one's own.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the graphs in this folder; without, none is kept.")
    ] = None,
    external: Annotated[
        bool, typer.Option("--external", help="Put tensors into a file beside each graph, as over 2 GB must be.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="For random weights and the random input.")] = 0,
    input_: Annotated[
        Path | None, typer.Option("--input", metavar="FILE.npy", help="An input of your own, N×C×H×W.")
    ] = None,
    max_memory: MaxMemory = None,
    set_: Set = None,
    json_: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,  # noqa: ARG001
) -> int:
    """Export every implementation by its framework's own exporter; hold the graphs to the models and each other.

    [dim]xframe onnx resnet18 paddle torch keras --weights mine.pdparams --out exports[/]
    """
    from xframe.workflows.onnx import OnnxOptions
    from xframe.workflows.onnx import onnx as carry_out

    options = OnnxOptions(
        weights=weights, seed=seed, opset=opset, external=external, out=out, input=input_, set=table_options(set_),
        budget=budget(max_memory),
    )  # fmt: skip
    with progress_on_stderr(quiet=quiet or json_) as progress:
        result = carry_out(model, implementations or [], options, progress=progress)
    if json_:
        print_json(result.to_json())
    elif not quiet:
        from xframe.report.onnx import render_onnx

        display(render_onnx(result))
    return result.exit_code
