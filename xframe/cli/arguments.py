"""Arguments and options that several commands share."""

from __future__ import annotations

import tomllib
from typing import Annotated, Any

import typer

from xframe.errors import UsageError, XframeError


def _models(incomplete: str) -> list[str]:
    """For completion: the tables that come with xframe."""
    from xframe.mapping import table_names

    return [name for name in table_names() if name.startswith(incomplete)]


def _columns(context: typer.Context, incomplete: str) -> list[str]:
    """For completion: the implementations of the model that stands before."""
    from xframe.mapping import load_table

    try:
        columns = load_table(context.params.get("model") or "").implementations
    except XframeError:
        return []
    return [name for name in columns if name.startswith(incomplete)]


Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A name from `xframe list`, or the path of a table of your own.", autocompletion=_models
    ),
]
Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="The implementation that the weights come from: a column of the table.",
        autocompletion=_columns,
    ),
]
Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="The implementation that they go to.", autocompletion=_columns)
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks, the worker's too.")]
Dtype = Annotated[
    str | None, typer.Option(help="Convert floating-point tensors on purpose: float16, bfloat16, float32, float64 …")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="An option of the table, such as num_classes=10; repeatable."),
]


def table_options(settings: list[str] | None) -> dict[str, Any]:
    """``num_classes=10`` as TOML reads it; a bare word is a string."""
    options = {}
    for setting in settings or []:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise UsageError(f"--set takes NAME=VALUE, such as num_classes=10; found '{setting}'.")
        try:
            options[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            options[name] = value
    return options
