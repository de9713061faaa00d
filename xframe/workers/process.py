"""An interpreter as a process of its own that takes messages: execnet's protocol over its standard input and output."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from execnet import Gateway, XSpec, gateway_base, gateway_bootstrap, gateway_io

from xframe.workers import bootstrap

_SHORT_OF_MEMORY = ", as Linux does where memory runs out: try less beside it, a smaller input or more memory"
_TAIL = 65536  # bytes at the end of a log that last words are taken from
_LAST_WORDS = 12  # lines
_WIDTH = 300  # characters of a line
_STACKS = ("Fatal Python error", "Stack (most recent call first)")  # how faulthandler begins
DumpError = gateway_base.DumpError


class DoesNotStart(Exception):
    """There is no such interpreter, or what is there does not answer as Python."""


class Process:
    """A fresh interpreter in which ``bootstrap`` runs. ``group`` is the process group that it joins, 0 for its own.

    A child that the terminal's Ctrl-C does not reach, and whose standard error is ``log`` from its first instruction.
    Raises DoesNotStart, after ``seconds`` at the latest.
    """

    def __init__(self, python: str, log: Path, group: int, seconds: float) -> None:
        self._log = log
        self.seconds = seconds
        self.late = False
        self._popen = _start(python, log, group)
        try:
            with self._deadline():
                self._gateway = self._listen(python)
                self._channel = self._gateway.remote_exec(bootstrap)
        except (OSError, EOFError, AssertionError) as error:
            raise DoesNotStart(self._why(error)) from error
        finally:
            if not hasattr(self, "_channel"):
                self.kill()
                self._close_pipes()

    def _listen(self, python: str) -> Any:
        io = gateway_base.Popen2IO(self._popen.stdin, self._popen.stdout, gateway_base.get_execmodel("thread"))
        io.wait = self._popen.wait
        spec = XSpec(f"popen//id={self.pid}//execmodel=main_thread_only")
        spec.python = python
        gateway_bootstrap.bootstrap_exec(io, spec)
        if self._popen.poll() is not None:  # execnet goes on after the end of the file
            raise EOFError
        return Gateway(io, spec)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def send(self, message: Any) -> None:
        """Raises DumpError for what execnet cannot write; a process that does not read for ``seconds`` is killed."""
        with self._deadline(), contextlib.suppress(OSError):  # its end is told by the reply that never comes
            self._channel.send(message)

    def receive(self, seconds: float) -> Any:
        """Raises TimeoutError, or EOFError when the process has ended."""
        try:
            return self._channel.receive(timeout=seconds)
        except self._channel.TimeoutError as error:
            raise TimeoutError from error
        except self._channel.RemoteError as error:
            with self._log.open("a", encoding="utf-8") as log:
                log.write(error.formatted)
            raise EOFError from error

    @contextlib.contextmanager
    def _deadline(self) -> Iterator[None]:
        """A pipe that nobody reads or writes blocks for ever; at the deadline its process is killed, which frees it."""

        def end() -> None:
            self.late = True
            self._popen.kill()

        timer = threading.Timer(self.seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def cause(self) -> str:
        """How the process ended, in words."""
        try:
            code = self._popen.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.kill()
            return "it closed its channel and was killed"
        if code >= 0:
            return f"exit code {code}"
        names = {number.value: number.name for number in signal.Signals}
        hint = _SHORT_OF_MEMORY if -code == signal.SIGKILL else ""
        return f"killed by {names.get(-code, f'signal {-code}')} ({signal.strsignal(-code)}){hint}"

    def _why(self, error: Exception) -> str:
        if self.late:
            return f"no answer within {self.seconds:g} s; XFRAME_TIMEOUT=<seconds> allows more"
        if isinstance(error, AssertionError):
            return "what it answers is not Python's"
        return f"{self.cause()}. {self.last_words()}"

    def last_words(self) -> str:
        """The end of the log; where a stack was dumped, the innermost calls."""
        with contextlib.suppress(OSError), self._log.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL))
            lines = [_plain(line) for line in log.read().decode(errors="replace").splitlines()]
            if any(lines):
                return f"Its last words: {' | '.join(_telling([line for line in lines if line]))}"
        return "It left no last words."

    def dump_stack(self) -> None:
        """Have the process write to its log where it is, even while it computes outside Python."""
        self._popen.send_signal(bootstrap.DUMP_SIGNAL)
        time.sleep(0.2)

    def kill(self) -> None:
        """End the process now, and wait until it has."""
        self._popen.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout=5)

    def close(self) -> None:
        """Wait until execnet's receiver has let go of the pipes of a killed process, and close them."""
        self._gateway.join(timeout=5)
        self._close_pipes()

    def _close_pipes(self) -> None:
        for pipe in (self._popen.stdin, self._popen.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()


def _start(python: str, log: Path, group: int) -> subprocess.Popen[bytes]:
    command = [python, "-u", "-c", gateway_io.popen_bootstrapline]
    environment = os.environ | {bootstrap.SAFE_PATH: os.environ.get(bootstrap.SAFE_PATH) or bootstrap.OURS}
    pipe = subprocess.PIPE
    try:
        with log.open("ab") as errors:
            return subprocess.Popen(  # noqa: S603 - the user's own interpreter
                command, stdin=pipe, stdout=pipe, stderr=errors, process_group=group, env=environment
            )
    except (OSError, ValueError) as error:
        raise DoesNotStart(str(error)) from error


def _plain(line: str) -> str:
    """Without control characters, and no longer than a line should be."""
    text = "".join(letter if letter.isprintable() else " " for letter in line).strip()
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"


def _telling(lines: list[str]) -> list[str]:
    """The lines that tell most: a stack from its top, else the last ones."""
    for start in _STACKS:
        tops = [index for index, line in enumerate(lines) if line.startswith(start)]
        if tops:
            return lines[tops[-1] :][:_LAST_WORDS]
    return lines[-_LAST_WORDS:]
