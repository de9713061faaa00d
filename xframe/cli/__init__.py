"""The command line: parse, call, render. What it prints on stdout is the result; everything else goes to stderr."""

from xframe.cli import move  # isort: skip - the order in which the help lists the commands
from xframe.cli import look
from xframe.cli.app import app

__all__ = ["app", "look", "main", "move"]


def main() -> None:
    """The entry point of the `xframe` command."""
    app()
