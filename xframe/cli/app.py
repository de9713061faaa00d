"""The command `xframe` itself: its help, its version."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command_name
from typer.models import CommandInfo

from xframe._version import __version__

app = typer.Typer(
    name="xframe",
    help="Move weights between Paddle, PyTorch and Keras, and prove that nothing changed.",
    epilog="Exit codes: 0 equivalent, or done · 1 different, or unproven · 2 refused: bad input, table or usage · "
    "3 a framework is missing or its worker died.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"xframe {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


def command_name(info: CommandInfo) -> str:
    """The word that a command is called by."""
    assert info.callback is not None
    return info.name or get_command_name(info.callback.__name__)


def asked_for(words: Sequence[str]) -> typer.Typer:
    """The app with the one command that ``words`` begin with, or whole: to build every command takes a tenth of one."""
    chosen = copy.copy(app)
    chosen.registered_commands = [info for info in app.registered_commands if command_name(info) in words[:1]]
    return chosen if chosen.registered_commands else app
