"""Arguments and options that several commands share."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xframe.errors import UsageError, XframeError

if TYPE_CHECKING:
    from xframe.checkpoints import Budget, Selection

_UNITS = ("", "K", "M", "G", "T")
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?([KMGT]?)(?:i?B)?", re.IGNORECASE)


def _models(incomplete: str) -> list[str]:
    """For completion: the tables that come with xframe."""
    from xframe.mapping import table_names

    return [name for name in table_names() if name.startswith(incomplete)]


def columns(context: typer.Context, incomplete: str) -> list[str]:
    """For completion: the implementations of the model that stands before."""
    from xframe.mapping import load_table

    try:
        columns = load_table(context.params.get("model") or "").implementations
    except XframeError:
        return []
    return [name for name in columns if name.startswith(incomplete)]


def _branches(context: typer.Context, incomplete: str) -> list[str]:
    """For completion: the branches of the weight file that stands before, as an option's value or by itself."""
    from xframe import checkpoints

    named = (context.params.get("weights"), context.params.get("file"), *context.args)
    try:
        path = next((path for word in named if word and (path := Path(word)).is_file()), None)
        branches = checkpoints.read(path).branches if path else {}
    except XframeError:
        return []
    return [branch for branch in branches if branch.startswith(incomplete)]


def _lost_dtypes(incomplete: str) -> list[str]:
    """For completion: the dtypes that files are known to lose."""
    known = ("int8=float8_e4m3fn", "int8=float8_e5m2", "uint16=bfloat16")
    return [pair for pair in known if pair.startswith(incomplete)]


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
        autocompletion=columns,
    ),
]
Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="The implementation that they go to.", autocompletion=columns)
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
Select = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="The branch of the file to take, such as state_dict or model.student; `xframe inspect` lists them.",
        autocompletion=_branches,
    ),
]
StripPrefix = Annotated[
    str | None, typer.Option(metavar="PREFIX", help="Remove PREFIX, such as module., from every name in the file.")
]
StoredAs = Annotated[
    list[str] | None,
    typer.Option(
        metavar="STORED=DTYPE",
        help="Read tensors stored as STORED as DTYPE, the same bits, such as int8=float8_e4m3fn; repeatable.",
        autocompletion=_lost_dtypes,
    ),
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="The most that any one part of a file may unpack to, such as 512MB or 8GB (powers of 1024). Default: 4GB.",
    ),
]


def selection(select: str | None, strip_prefix: str | None, stored_as: list[str] | None) -> Selection:
    """The three options as one. Raises UsageError for a pair that is none, an unknown dtype, one of another width."""
    from xframe.checkpoints import Selection

    pairs: dict[str, str] = {}
    for setting in stored_as or []:
        stored, equals, dtype = setting.partition("=")
        if not equals or not stored or not dtype:
            raise UsageError(f"--stored-as takes STORED=DTYPE, such as int8=float8_e4m3fn; found '{setting}'.")
        if pairs.setdefault(stored, dtype) != dtype:
            raise UsageError(f"--stored-as says of {stored} that it is {pairs[stored]} and that it is {dtype}.")
    return Selection(select=select or "", strip_prefix=strip_prefix or "", stored_as=pairs)


def budget(max_memory: str | None) -> Budget:
    """``--max-memory``, or the default. Raises UsageError."""
    from xframe.checkpoints import Budget

    return Budget() if max_memory is None else Budget(size("--max-memory", max_memory))


def size(option: str, text: str) -> int:
    """``8GB``, ``512MB``, ``1.5 GiB`` in bytes: powers of 1024, whatever the letters' case. Raises UsageError."""
    match = _SIZE.fullmatch(text.strip())
    nbytes = int(float(match[1]) * 1024 ** _UNITS.index(match[2].upper())) if match else 0
    if nbytes < 1:
        raise UsageError(f"{option} takes a size such as 512MB or 8GB; found '{text}'.")
    return nbytes


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
