"""Sent into a fresh interpreter as source: makes it a worker. Standard library only, until numpy is known to be there.

The interpreter may be another environment's, without xframe. Only xframe's own folder is shown to it, never the
site-packages around it, whose compiled modules belong to another interpreter.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import traceback
import types
from typing import Any

DUMP_SIGNAL = signal.SIGUSR1
SAFE_PATH, OURS = "PYTHONSAFEPATH", "xframe"  # while Python starts, no file of the user's stands before its own library
OLDEST = (3, 11)


def redirect(log: str) -> None:
    """Everything that the framework prints goes to the log: its last words, should it die."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    faulthandler.enable(2, all_threads=False)
    faulthandler.register(DUMP_SIGNAL, 2, all_threads=False)


def expose(package: str) -> None:
    """Make ``xframe`` importable without running its ``__init__``."""
    module = types.ModuleType("xframe")
    module.__path__ = [package]
    sys.modules["xframe"] = module
    sys.path = [entry for entry in sys.path if entry]
    if os.environ.get(SAFE_PATH) == OURS:
        del os.environ[SAFE_PATH]  # the user's own processes start as ever


def set_where_unset(environment: dict[str, str]) -> None:
    """What the user has set stays."""
    for name, value in environment.items():
        os.environ.setdefault(name, value)


def share_the_cores() -> None:
    """Idle threads sleep instead of spinning: the other side's worker computes on the same cores, at the same time."""
    set_where_unset({"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"})


def run(channel: Any) -> None:
    """Take the settings from the channel and serve."""
    settings = channel.receive()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when a worker ends
    redirect(settings["log"])
    share_the_cores()
    set_where_unset(settings["environment"])
    expose(settings["package"])
    if sys.version_info < OLDEST:
        channel.send(
            ("missing", f"{sys.executable} is Python {sys.version.split()[0]}, and xframe needs 3.11 or newer")
        )
        return
    try:
        from xframe.frameworks.server import serve  # noqa: PLC0415 - exists only after expose
    except ImportError as error:
        channel.send(("missing", f"{error} (interpreter {sys.executable})"))
        return
    serve(channel, settings["framework"], settings["folder"], settings["paths"])


def leave(error: SystemExit) -> None:
    """Code that asks for the end of its process gets it; execnet alone would go on."""
    traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    code = error.code if isinstance(error.code, int) else int(error.code is not None)
    os._exit(code & 0xFF)


if __name__ == "__channelexec__":
    try:
        run(channel)  # type: ignore[name-defined]  # noqa: F821 - execnet puts it there
    except SystemExit as end:
        leave(end)
