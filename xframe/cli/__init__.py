"""The command line: parse, call, render. What it prints on stdout is the result; everything else goes to stderr."""

import atexit
import gc
import os
import signal
import sys
from types import FrameType

_EXIT, _TYPER_S_EXIT = 3, 130
_INTERRUPTED = "xframe: Interrupted.\n"


def _leave(_number: int, _frame: FrameType | None) -> None:
    """At once: nothing has begun yet, and an exception may get lost between imports."""
    os.write(2, _INTERRUPTED.encode())
    os._exit(_EXIT)


# Most of a short command's time goes into these imports. Where Ctrl-C has been told otherwise it stays so.
_listens = signal.getsignal(signal.SIGINT) is signal.default_int_handler
try:
    try:
        _before = signal.signal(signal.SIGINT, _leave) if _listens else None
    except ValueError:  # not in the main thread
        _before = None
    from xframe.cli import move  # isort: skip - the order in which the help lists the commands
    from xframe.cli import compare, export, infer, look
    from xframe.cli.app import app, asked_for
finally:
    if _before:
        signal.signal(signal.SIGINT, _before)

__all__ = ["app", "compare", "export", "infer", "look", "main", "move"]


def main() -> None:
    """The entry point of the `xframe` command. SIGTERM ends it as Ctrl-C does: with nothing half written."""
    gc.set_threshold(50_000)  # imports make objects by the thousand and no garbage: a tenth of a command's start
    atexit.register(gc.freeze)  # nor is what they made looked through once more at the end
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        asked_for(sys.argv[1:])()
    except (KeyboardInterrupt, SystemExit) as ended:  # commands see to their own
        if isinstance(ended, SystemExit) and ended.code != _TYPER_S_EXIT:
            raise
        sys.stderr.write(_INTERRUPTED)
        raise SystemExit(_EXIT) from None
