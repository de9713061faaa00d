"""The commands that look: list, show, check, inspect, summary, doctor, verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xframe.cli.app import app
from xframe.cli.arguments import (
    Debug,
    Json,
    MaxMemory,
    Model,
    Quiet,
    Select,
    Set,
    StoredAs,
    StripPrefix,
    budget,
    columns,
    selection,
    table_options,
)
from xframe.cli.frame import display, guarded, print_json, progress_on_stderr
from xframe.errors import UsageError


@app.command(name="list")
@guarded
def list_(json_: Json = False, debug: Debug = False) -> None:  # noqa: ARG001
    """The architectures that xframe knows, and their implementations."""
    from xframe.report.tables import render_models
    from xframe.workflows.listing import models

    found = models()
    if json_:
        print_json({"command": "list", "models": [model.to_json() for model in found]})
    else:
        display(render_models(found))


@app.command()
@guarded
def show(
    model: Model,
    source: Annotated[str | None, typer.Argument(help="With TARGET: the tensor-level table of that port.")] = None,
    target: Annotated[str | None, typer.Argument()] = None,
    set_: Set = None,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """The mapping table: layers across implementations, or every tensor of one port: shapes, rearrangement, fill."""
    from xframe.mapping import load_table
    from xframe.report.tables import render_layers, render_plan
    from xframe.workflows.listing import tensor_rows

    table = load_table(model, table_options(set_))
    if source is None or target is None:
        if source is not None:
            raise UsageError(
                f"`xframe show {model} {source}` names a source but no target. "
                f"Implementations: {', '.join(table.implementations)}."
            )
        if json_:
            print_json(
                {
                    "command": "show",
                    "model": table.name,
                    "layers": [{"kind": layer.kind.name, **layer.names} for layer in table.layers],
                }
            )
        else:
            display(render_layers(table))
        return
    rows = list(tensor_rows(table, source, target))
    if json_:
        print_json(
            {
                "command": "show",
                "model": table.name,
                "source": source,
                "target": target,
                "tensors": [row.to_json() for row in rows],
                "differences": list(table.differences_between(source, target)),
            }
        )
    else:
        display(render_plan(source, target, rows, table.differences_between(source, target)))


@app.command()
@guarded
def check(
    tables: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TABLE]…", help="Names or paths; all that come with xframe by default."),
    ] = None,
    build: Annotated[
        bool, typer.Option("--build/--no-build", help="Also build every implementation and compare its state dict.")
    ] = True,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> int:
    """Validate mapping tables: every problem at once, each with its place in the file."""
    from contextlib import ExitStack

    from xframe.mapping import table_names
    from xframe.report import render_check
    from xframe.workers import Pool
    from xframe.workflows.check import check as examine

    with ExitStack() as stack, progress_on_stderr(quiet=json_) as progress:
        pool = stack.enter_context(Pool()) if build else None
        results = [examine(table, pool=pool, progress=progress) for table in tables or table_names()]
    if json_:
        print_json({"command": "check", "tables": [result.to_json() for result in results]})
    else:
        for result in results:
            display(render_check(result))
    return 0 if all(results) else 2


@app.command()
@guarded
def inspect(
    file: Annotated[Path, typer.Argument(help="A weight file of any format that xframe reads.")],
    digests: Annotated[
        bool,
        typer.Option("--digests/--no-digests", help="BLAKE3 of every tensor, NaN and Inf; reads the whole file."),
    ] = True,
    select: Select = None,
    strip_prefix: StripPrefix = None,
    stored_as: StoredAs = None,
    max_memory: MaxMemory = None,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Tensors, dtypes, sizes, digests and metadata of a weight file. Nothing is executed, no framework imported."""
    from xframe import checkpoints
    from xframe.report.tables import render_checkpoint
    from xframe.workflows.listing import inspection

    checkpoint = checkpoints.opened(file, selection(select, strip_prefix, stored_as), budget(max_memory))
    found = inspection(checkpoint, digests=digests)
    if json_:
        print_json(found.to_json())
    else:
        display(render_checkpoint(found))


@app.command()
@guarded
def summary(
    model: Model,
    implementations: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[IMPLEMENTATION]…", help="Columns of the table; all by default.", autocompletion=columns
        ),
    ] = None,
    set_: Set = None,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Per layer and side by side: output shape, parameters, multiply-adds; and their totals."""
    from xframe.report.summaries import render_summary
    from xframe.workers import Pool
    from xframe.workflows.summary import summary as sum_up

    with progress_on_stderr(quiet=json_) as progress, Pool() as pool:
        found = sum_up(model, implementations or (), options=table_options(set_), pool=pool, progress=progress)
    if json_:
        print_json(found.to_json())
    else:
        display(render_summary(found))


@app.command()
@guarded
def doctor(
    frameworks: Annotated[
        list[str] | None, typer.Argument(metavar="[FRAMEWORK]…", help="paddle, torch, keras, onnx; all by default.")
    ] = None,
    json_: Json = False,
    debug: Debug = False,  # noqa: ARG001
) -> int:
    """Which frameworks are found, in which interpreters and versions, and what is known to clash.

    Exit code 3 if a framework that you name is missing.
    """
    from xframe.report import render_diagnosis
    from xframe.workers import FRAMEWORKS
    from xframe.workflows.doctor import examine

    unknown = [name for name in frameworks or [] if name not in FRAMEWORKS]
    if unknown:
        raise UsageError(f"Unknown framework '{unknown[0]}'. Known: {', '.join(FRAMEWORKS)}.")
    with progress_on_stderr(quiet=json_) as progress:
        progress("importing every framework")
        diagnosis = examine(frameworks or FRAMEWORKS)
    if json_:
        print_json(diagnosis.to_json())
    else:
        display(render_diagnosis(diagnosis))
    return 3 if frameworks and any(finding.error for finding in diagnosis.findings) else 0


@app.command()
@guarded
def verify(
    certificate: Annotated[Path, typer.Argument(metavar="CERTIFICATE", help="FILE.xframe.json, as `port` wrote it.")],
    file: Annotated[Path, typer.Argument(help="The weight file, in any format that xframe reads.")],
    max_memory: MaxMemory = None,
    json_: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,  # noqa: ARG001
) -> int:
    """Whether a file still holds, bit for bit, the tensors that a port proved. No framework; exit code 1 if not.

    [dim]xframe verify resnet18.pth.xframe.json resnet18.pth[/]
    """
    from xframe.report.text import render_verify
    from xframe.workflows.verify import verify as hold_against

    with progress_on_stderr(quiet=quiet or json_) as progress:
        result = hold_against(certificate, file, budget=budget(max_memory), progress=progress)
    if json_:
        print_json(result.to_json())
    elif not quiet:
        display(render_verify(result))
    return result.exit_code
