"""Watches over a session: when its parent is gone, however it went, no worker and no file of the session stays.

A process of its own, for a worker that hangs outside Python cannot watch, and a killed parent cannot clean. It leads
the process group that every worker joins, so one signal ends them all, with whatever they have started themselves.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

_SOURCE = """
import os, shutil, signal, sys, time
parent, folder = int(sys.argv[1]), sys.argv[2]
while os.getppid() == parent:
    time.sleep(0.5)
try:
    os.rename(folder, folder + ".gone")  # nothing new can be written into it any more
    shutil.rmtree(folder + ".gone", ignore_errors=True)
finally:
    os.killpg(0, signal.SIGKILL)
"""


class Guard:
    """Guards ``folder`` and the processes of ``group``."""

    def __init__(self, folder: Path) -> None:
        silent = subprocess.DEVNULL
        self._popen = subprocess.Popen(  # noqa: S603 - our own interpreter and source
            [sys.executable, "-I", "-S", "-c", _SOURCE, str(os.getpid()), str(folder)],
            stdin=silent, stdout=silent, stderr=silent, process_group=0, cwd="/",
        )  # fmt: skip

    @property
    def group(self) -> int:
        """The process group to join."""
        return self._popen.pid

    def close(self) -> None:
        """End every process of the group, and the guard."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.group, signal.SIGKILL)
        self._popen.wait()
