"""The command line: parse, call, render. What it prints on stdout is the result; everything else goes to stderr."""

import gc
import signal

from xframe.cli import move  # isort: skip - the order in which the help lists the commands
from xframe.cli import look
from xframe.cli.app import app

__all__ = ["app", "look", "main", "move"]


def main() -> None:
    """The entry point of the `xframe` command. SIGTERM ends it as Ctrl-C does: with nothing half written."""
    gc.set_threshold(50_000)  # imports make objects by the thousand and no garbage: a tenth of a command's start
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()
