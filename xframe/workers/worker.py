"""A framework's process, seen from the parent: requests out, replies in, and every way to die turned into an error."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path
from typing import Any

from xframe.errors import FrameworkMissing, ModelError, UsageError, WorkerDied, WorkerTimeout
from xframe.workers.process import DoesNotStart, DumpError, Process
from xframe.workers.settings import Settings

_PACKAGE = Path(__file__).parents[1]
_START = 60.0  # seconds until an interpreter must answer as Python; its framework's import comes after
_INPUTS = re.compile(r"(forward|call)\(\) missing \d+ required positional argument")
_ENDS = {"missing": FrameworkMissing, "died": WorkerDied, "late": WorkerTimeout}  # answers after which none follows
Answer = tuple[str, Any]


class Reply:
    """The answer to one request, still under way. ``result()`` waits for it."""

    def __init__(self, worker: Worker, request: str) -> None:
        self._worker = worker
        self.request = request
        self.answer: Answer | None = None

    def result(self) -> Any:
        """The result. Raises ModelError with the framework's own words, or the WorkerError that ended the worker."""
        status, value = self._worker.wait_for(self)
        if status == "ok":
            return value
        raise self._worker.failure(self.request, status, value)


class Worker:
    """One process with one framework. Requests are answered in order; after its end, all have the end's answer."""

    def __init__(self, framework: str, settings: Settings, folder: Path, group: int) -> None:
        python, timeout = settings.python(framework), settings.timeout
        self.framework = framework
        self.timeout = timeout
        self._waiting: deque[Reply] = deque()
        self._hello = self._expect("start")
        self._process: Process | None = None
        self._end: Answer | None = None
        log = folder / f"{framework}.log"
        try:
            self._process = Process(python, log, group, min(timeout, _START))
        except DoesNotStart as error:
            self._end = self._missing(f"its interpreter {python} does not start ({error})")
            return
        self._process.seconds = timeout
        self._send(
            {
                "framework": framework,
                "folder": str(folder),
                "log": str(log),
                "package": str(_PACKAGE),
                "paths": [str(Path.cwd()), *settings.paths],
                "environment": settings.environment(framework),
            }
        )

    @property
    def hello(self) -> dict[str, Any]:
        """``versions``, ``python``, ``pid`` and the ``seconds`` that the import took; waits until it is done."""
        hello: dict[str, Any] = self._hello.result()
        return hello

    def ask(self, command: str, **arguments: Any) -> Reply:
        """Send a request and return at once; a worker that cannot serve says so in the reply."""
        self._send((command, arguments))
        return self._expect(command)

    def call(self, command: str, **arguments: Any) -> Any:
        """Send a request and wait for its result."""
        return self.ask(command, **arguments).result()

    def _send(self, message: Any) -> None:
        if self._end is not None or self._process is None:
            return
        try:
            self._process.send(message)
        except DumpError as error:
            raise UsageError(
                f"A request to the {self.framework} worker holds what no message can: {error}. Expected numbers, "
                f"strings, and paths in UTF-8."
            ) from error

    def _expect(self, request: str) -> Reply:
        reply = Reply(self, request)
        self._waiting.append(reply)
        return reply

    def wait_for(self, reply: Reply) -> Answer:
        """Receive replies in order until ``reply`` has its answer."""
        while reply.answer is None:
            first = self._waiting[0]  # taken off when it is answered: an interrupt must not shift the others' answers
            first.answer = first.answer or self._end or self._receive(first.request)
            self._waiting.popleft()
        return reply.answer

    def _receive(self, request: str) -> Answer:
        assert self._process is not None
        try:
            answer: Answer = self._process.receive(self.timeout)
            if answer[0] == "missing":
                answer = self._missing(answer[1])
        except TimeoutError:
            self._process.dump_stack()
            self._process.kill()
            answer = self._late(request)
        except EOFError:
            answer = self._late(request) if self._process.late else self._died(request)
        if answer[0] in _ENDS:
            self._end = answer
        return answer

    def _late(self, request: str) -> Answer:
        assert self._process is not None
        return "late", (
            f"The {self.framework} worker did not answer '{request}' within {self.timeout:g} s and was killed. "
            f"If the model is that slow, allow more with XFRAME_TIMEOUT=<seconds>. {self._process.last_words()}"
        )

    def _died(self, request: str) -> Answer:
        assert self._process is not None
        cause = self._process.cause()
        return "died", f"The {self.framework} worker ended during '{request}': {cause}. {self._process.last_words()}"

    def _missing(self, reason: str) -> Answer:
        return "missing", (
            f"{self.framework} was expected to be installed, but it is not, or does not work: {reason}. Install it "
            f"(pip install 'xframe[{self.framework}]'), or name an interpreter that has it and numpy: "
            f"XFRAME_PYTHON_{self.framework.upper()}, or [frameworks.{self.framework}] python in xframe.toml."
        )

    def failure(self, request: str, status: str, value: Any) -> Exception:
        """The exception for an answer that is not "ok"."""
        if status in _ENDS:
            ended = _ENDS[status](value)
            if isinstance(ended, FrameworkMissing):
                ended.framework = self.framework
            return ended
        if status == "training":
            return ModelError(
                f"The {self.framework} model ran in training mode although it was put into evaluation mode ({value}). "
                f"Its outputs prove nothing; remove the train() call from its forward pass."
            )
        if status == "unbuildable":
            stop = "" if value.endswith((".", "?")) else "."
            return ModelError(f"No {self.framework} model can be built: {value}{stop}")
        message, trace = value
        several = _INPUTS.search(message)
        hint = (
            ". xframe feeds a model one input. Try: a build that wraps it and splits what it reads" if several else ""
        )
        error = ModelError(f"{self.framework} failed in '{request}': {message}{hint}")
        error.add_note(trace)
        return error

    @property
    def broken(self) -> bool:
        """Whether it served once and cannot any more: it died, or was killed for being late."""
        return self._end is not None and self._end[0] in ("died", "late")

    def kill(self) -> None:
        """End the process now."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """Give back what a killed process held here. Whoever shares its pipes must have ended too."""
        if self._process is not None:
            self._process.close()
