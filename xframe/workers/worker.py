"""A framework's process, seen from the parent: requests out, replies in, and every way to die turned into an error."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
from collections import deque
from pathlib import Path
from typing import Any

import execnet

from xframe.errors import FrameworkMissing, ModelError, WorkerDied, WorkerTimeout
from xframe.workers import bootstrap

_PACKAGE = Path(__file__).parents[1]
_LAST_WORDS = 12  # lines of a dead worker's log that its error repeats


class Reply:
    """The answer to one request, still under way. ``result()`` waits for it."""

    def __init__(self, worker: Worker, request: str) -> None:
        self._worker = worker
        self.request = request
        self.answer: tuple[str, Any] | None = None

    def result(self) -> Any:
        """The result. Raises ModelError with the framework's own words, WorkerDied or WorkerTimeout."""
        self._worker.wait_for(self)
        assert self.answer is not None
        status, value = self.answer
        if status == "ok":
            return value
        raise self._worker.failure(self.request, status, value)


class Worker:
    """One process with one framework. Requests are answered in order."""

    def __init__(self, group: execnet.Group, framework: str, python: str, folder: Path, timeout: float) -> None:
        self.framework = framework
        self.python = python
        self.timeout = timeout
        self._log = folder / f"{framework}.log"
        self._waiting: deque[Reply] = deque()
        self._hello = self._expect("start")
        self._gateway: Any = None
        try:
            python = shlex.quote(
                os.path.normpath(python) if "/" in python else python
            )  # "//" separates execnet's options
            self._gateway = group.makegateway(f"popen//id={framework}//python={python}//execmodel=main_thread_only")
        except (OSError, EOFError, execnet.HostNotFound) as error:
            self._hello.answer = (
                "missing",
                f"its interpreter {self.python} does not start ({error or type(error).__name__})",
            )
            return
        self._channel = self._gateway.remote_exec(bootstrap)
        self._channel.send(self._bootstrap_settings(folder))

    def _bootstrap_settings(self, folder: Path) -> dict[str, Any]:
        return {
            "framework": self.framework,
            "folder": str(folder),
            "log": str(self._log),
            "package": str(_PACKAGE),
            "paths": [str(Path.cwd())],
        }

    @property
    def hello(self) -> dict[str, Any]:
        """``versions``, ``python``, ``pid`` and the ``seconds`` that the import took; waits until it is done."""
        hello: dict[str, Any] = self._hello.result()
        return hello

    def ask(self, command: str, **arguments: Any) -> Reply:
        """Send a request and return at once; a worker that cannot serve says so in the reply."""
        if not self._missing:
            with contextlib.suppress(OSError):  # a dead worker's end is told by the reply that never comes
                self._channel.send((command, arguments))
        return self._expect(command)

    def call(self, command: str, **arguments: Any) -> Any:
        """Send a request and wait for its result."""
        return self.ask(command, **arguments).result()

    def _expect(self, request: str) -> Reply:
        reply = Reply(self, request)
        self._waiting.append(reply)
        return reply

    def wait_for(self, reply: Reply) -> None:
        """Receive replies in order until ``reply`` has its answer. Without the framework all have the first one's."""
        while reply.answer is None:
            first = self._waiting.popleft()
            if first.answer is None:
                first.answer = self._hello.answer if self._missing else self._receive(first.request)

    @property
    def _missing(self) -> bool:
        return self._hello.answer is not None and self._hello.answer[0] == "missing"

    def _receive(self, request: str) -> tuple[str, Any]:
        try:
            answer: tuple[str, Any] = self._channel.receive(timeout=self.timeout)
        except self._channel.TimeoutError as error:
            self.kill()
            raise WorkerTimeout(
                f"The {self.framework} worker did not answer '{request}' within {self.timeout:g} s and was killed. "
                f"If the model is that slow, allow more with XFRAME_TIMEOUT=<seconds>."
            ) from error
        except self._channel.RemoteError as error:
            self.kill()
            raise WorkerDied(f"The {self.framework} worker failed in '{request}' itself: {error.formatted}") from error
        except EOFError as error:
            raise WorkerDied(
                f"The {self.framework} worker ended during '{request}': {self._cause()}. {self._last_words()}"
            ) from error
        return answer

    def _cause(self) -> str:
        try:
            code = self._gateway._io.popen.wait(timeout=5)  # noqa: SLF001 - execnet keeps the exit status to itself
        except subprocess.TimeoutExpired:
            self.kill()
            return "it closed its channel and was killed"
        if code < 0:
            return f"killed by {signal.Signals(-code).name} ({signal.strsignal(-code)})"
        return f"exit code {code}"

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
            if lines:
                return "Its last words: " + " | ".join(lines[-_LAST_WORDS:])
        return "It left no last words."

    def failure(self, request: str, status: str, value: Any) -> Exception:
        """The exception for an answer that is not "ok"."""
        if status == "missing":
            return FrameworkMissing(
                f"{self.framework} was expected to be installed, but it is not: {value}. Install it (pip install "
                f"'xframe[{self.framework}]'), or name an interpreter that has it and numpy: XFRAME_PYTHON_{self.framework.upper()}, "
                f"or [frameworks.{self.framework}] python in xframe.toml."
            )
        if status == "training":
            return ModelError(
                f"The {self.framework} model ran in training mode although it was put into evaluation mode ({value}). Its "
                f"outputs prove nothing; remove the train() call from its forward pass."
            )
        message, trace = value
        error = ModelError(f"{self.framework} failed in '{request}': {message}")
        error.add_note(trace)
        return error

    def kill(self) -> None:
        """End the process now."""
        if self._gateway is None:
            return
        popen = self._gateway._io.popen  # noqa: SLF001 - execnet's own kill waits for goodwill
        with contextlib.suppress(OSError):
            popen.kill()
        with contextlib.suppress(Exception):
            popen.wait(timeout=5)
