"""The command that writes a table from two models that none describes: infer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from xframe.cli.app import app
from xframe.cli.arguments import Debug, Json, Quiet, table_options
from xframe.cli.frame import display, guarded, print_json, progress_on_stderr
from xframe.errors import UsageError

_LENGTHS = re.compile(r"\d{1,6}(x\d{1,6})*")


@app.command()
@guarded
def infer(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE=BUILD",
            help="A column's name and what builds its model: paddle=mypackage.nets:Net. The name is a framework's, or "
            "one of its own behind it, such as torch/old. Or a table, which gets TARGET as a further column.",
        ),
    ],
    target: Annotated[str, typer.Argument(metavar="TARGET=BUILD", help="The other model: torch=theirs.nets:build.")],
    input_: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="1x3x224x224",
            help="The shape of an input: a batch of any size, then C×H×W, or T×D. A table knows its own.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Where the table goes; without, to stdout.")
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(metavar="N", min=2, help="The input is token ids below N: --input 1x16.")
    ] = None,
    sequence: Annotated[
        bool, typer.Option("--sequence", help="The input is T×D: its features are last in every framework.")
    ] = False,
    output_axes: Annotated[
        str | None,
        typer.Option(
            "--output-axes",
            metavar="AXES",
            help="How the outputs lie where they are not as the input is: channels (N×C×H×W) or sequence (N×T×D).",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="For the weights and the input that pairs are tried with.")] = 0,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="[COLUMN:]NAME=VALUE",
            help="An argument of both factories, or of one: num_classes=10, torch:deep=true; repeatable.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a table that is there already.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Show every pair and its evidence, not only doubts.")] = False,
    json_: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,  # noqa: ARG001
) -> int:
    """Write the table that links two models: pairs by kind, shape, order and name, each tried out in numbers.

    What stays doubtful or has no counterpart is said, and the exit code is 1.

    [dim]xframe infer paddle=mine.nets:Net torch=./net.py:Net --input 1x3x224x224 --out mine.toml[/]
    """
    from xframe.inferring.asked import InferOptions
    from xframe.mapping.kinds import AXES
    from xframe.workflows.infer import infer as carry_out

    if out is not None and out.exists() and not force:
        raise UsageError(f"{out} is there already. Try: --force to write over it, or another name.")
    both, one = _arguments(set_ or [])
    shape = () if input_ is None else _lengths(input_)
    if output_axes is not None and output_axes not in AXES:
        raise UsageError(f"--output-axes takes {' or '.join(AXES)}; found '{output_axes}'.")
    options = InferOptions(
        input=shape, axes="sequence" if sequence else "channels", output_axes=output_axes or "", tokens=tokens,
        seed=seed, out=out, set=both, set_one=one,
    )  # fmt: skip
    with progress_on_stderr(quiet=quiet or json_) as progress:
        result = carry_out(source, target, options, progress=progress)
    if json_:
        print_json(result.to_json())
    elif not quiet:
        from xframe.report.infer import render_infer

        if out is not None:
            display(render_infer(result, every=every))
        else:
            typer.echo(result.text, nl=False)  # as it is: to rich its headers would be markup
            typer.echo(
                f"xframe: {result.verdict}; --out FILE.toml keeps the table and says what it rests on.", err=True
            )
    return result.exit_code


def _lengths(text: str) -> tuple[int, ...]:
    """``1x3x224x224`` without its batch. Raises UsageError."""
    lengths = tuple(map(int, text.replace("×", "x").split("x"))) if _LENGTHS.fullmatch(text.replace("×", "x")) else ()
    if len(lengths) < 2 or 0 in lengths:
        raise UsageError(f"--input takes a shape with its batch, such as 1x3x224x224; found '{text}'.")
    return lengths[1:]


def _arguments(settings: list[str]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Arguments of both factories, and by column those of one."""
    both: list[str] = []
    one: dict[str, list[str]] = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        column, colon, own = name.partition(":")
        if colon:
            one.setdefault(column, []).append(f"{own}={value}")
        else:
            both.append(setting)
    return table_options(both), {column: table_options(found) for column, found in one.items()}
