"""The commands that move weights: port, convert."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xframe.cli.app import app
from xframe.cli.arguments import (
    Debug,
    Dtype,
    Json,
    MaxMemory,
    Model,
    Quiet,
    Select,
    Set,
    Source,
    StoredAs,
    StripPrefix,
    Target,
    budget,
    selection,
    size,
    table_options,
)
from xframe.cli.frame import display, guarded, print_json, progress_on_stderr


@app.command()
@guarded
def port(
    model: Model,
    source: Source,
    target: Target,
    weights: Annotated[
        Path | None, typer.Option(help="The source's weights; without it they are random, every tensor different.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where to write; the extension picks the format. Default: MODEL with the target's own."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="For random weights and the random input.")] = 0,
    select: Select = None,
    strip_prefix: StripPrefix = None,
    stored_as: StoredAs = None,
    max_memory: MaxMemory = None,
    dtype: Dtype = None,
    atol: Annotated[float, typer.Option(min=0, help="float64: |a−b| ≤ atol + rtol·max|a|.")] = 0.0,
    rtol: Annotated[float, typer.Option(min=0)] = 1e-9,
    verify: Annotated[
        bool,
        typer.Option("--verify/--no-verify", help="Run both sides and compare; without, the file is only written."),
    ] = True,
    strict_proof: Annotated[
        bool, typer.Option("--strict-proof", help="Also fail while the outputs cannot see some tensor (exit code 1).")
    ] = False,
    input_: Annotated[
        Path | None, typer.Option("--input", metavar="FILE.npy", help="An input of your own, N×C×H×W.")
    ] = None,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Export both sides to ONNX too and hold the exports to the verdict.")
    ] = False,
    optimizer: Annotated[
        str | None,
        typer.Option(metavar="NAME,FIGURE=VALUE,…", help="Carry this optimizer's state too: adam,epsilon=1e-7."),
    ] = None,
    optimizer_state: Annotated[
        Path | None,
        typer.Option(help="Its state in the source's own file; without it the source trains 3 steps for one."),
    ] = None,
    optimizer_out: Annotated[
        Path | None, typer.Option(help="Where the state goes: .pdopt, .pt or .keras. Default: beside the weights.")
    ] = None,
    set_: Set = None,
    json_: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,  # noqa: ARG001
) -> int:
    """Move weights and prove it: load, read back, run both sides in float64. The file appears only if equivalent.

    [dim]xframe port resnet18 paddle torch --weights mine.pdparams --out mine.pth[/]
    """
    from xframe.comparison import Tolerance
    from xframe.workflows.port import PortOptions
    from xframe.workflows.port import port as carry_out
    from xframe.workflows.port_optimizer import optimizer_options

    options = PortOptions(
        weights=weights, out=out, seed=seed, dtype=dtype, tolerance=Tolerance(atol=atol, rtol=rtol), verify=verify,
        strict_proof=strict_proof,
        input=input_, onnx=onnx, set=table_options(set_), selection=selection(select, strip_prefix, stored_as),
        budget=budget(max_memory), optimizer=optimizer_options(optimizer, optimizer_state, optimizer_out),
    )  # fmt: skip
    with progress_on_stderr(quiet=quiet or json_) as progress:
        result = carry_out(model, source, target, options, progress=progress)
    if json_:
        print_json(result.to_json())
    elif not quiet:
        from xframe.report import render_port

        display(render_port(result))
    return result.exit_code


@app.command()
@guarded
def convert(
    model: Model,
    source: Source,
    target: Target,
    weights: Annotated[
        Path, typer.Argument(metavar="IN", help="The source's weights, in any format that xframe reads.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where to write; the extension picks the format.")],
    select: Select = None,
    strip_prefix: StripPrefix = None,
    stored_as: StoredAs = None,
    max_memory: MaxMemory = None,
    dtype: Dtype = None,
    max_shard_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="Write .safetensors shards of at most SIZE, such as 2GB, and OUT.index.json for them."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted sharded conversion; digests decide what counts.")
    ] = False,
    digests: Annotated[
        bool, typer.Option("--digests", help="Also take BLAKE3 of every tensor on its way, into --json.")
    ] = False,
    set_: Set = None,
    json_: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Weights only: strict by the table, no framework imported, nothing run and so nothing proven.

    [dim]xframe convert resnet18 paddle torch mine.pdparams mine.pth[/]
    """
    from xframe.workflows.convert import ConvertOptions
    from xframe.workflows.convert import convert as carry_out

    options = ConvertOptions(
        dtype=dtype, set=table_options(set_), selection=selection(select, strip_prefix, stored_as),
        budget=budget(max_memory), digests=digests, resume=resume,
        shard_size=None if max_shard_size is None else size("--max-shard-size", max_shard_size),
    )  # fmt: skip
    with progress_on_stderr(quiet=quiet or json_) as progress:
        result = carry_out(model, source, target, weights, out, options=options, progress=progress)
    if json_:
        print_json(result.to_json())
    elif not quiet:
        from xframe.report.text import render_convert

        display(render_convert(result))
