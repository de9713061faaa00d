"""Sent into a fresh interpreter as source: makes it a worker. Standard library only, until numpy is known to be there.

The interpreter may be another environment's, without xframe. Only xframe's own folder is shown to it, never the
site-packages around it, whose compiled modules belong to another interpreter.
"""

from __future__ import annotations

import faulthandler
import os
import shutil
import signal
import sys
import threading
import time
import types
from typing import Any


def redirect(log: str) -> None:
    """Everything that the framework prints goes to the log: its last words, should it die."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    faulthandler.enable(descriptor)


def follow_parent(folder: str) -> None:
    """End, and remove the session's folder, when the parent is gone, however it went."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def expose(package: str, paths: list[str]) -> None:
    """Make ``xframe`` importable without running its ``__init__``, and the user's own folders after all else."""
    module = types.ModuleType("xframe")
    module.__path__ = [package]
    sys.modules["xframe"] = module
    sys.path = [entry for entry in sys.path if entry] + paths


def run(channel: Any) -> None:
    """Take the settings from the channel and serve."""
    settings = channel.receive()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when a worker ends
    redirect(settings["log"])
    follow_parent(settings["folder"])
    expose(settings["package"], settings["paths"])
    try:
        from xframe.frameworks.server import serve  # noqa: PLC0415 - exists only after expose
    except ImportError as error:
        channel.send(("missing", f"{error} (interpreter {sys.executable})"))
        return
    serve(channel, settings["framework"], settings["folder"])


if __name__ == "__channelexec__":
    run(channel)  # type: ignore[name-defined]  # noqa: F821 - execnet puts it there
