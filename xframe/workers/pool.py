"""The workers of a session, and the folder through which they and the parent exchange arrays."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from xframe import exchange
from xframe.errors import OutputError
from xframe.tensors import Array
from xframe.workers.guard import Guard
from xframe.workers.settings import Settings, load_settings
from xframe.workers.worker import Worker


class Pool:
    """Starts a worker when it is first asked for and keeps it. A context manager: leaves no process and no file.

    Raises UsageError for wrong settings, OutputError where no folder can be made. One thread at a time may use it.

    >>> with Pool() as pool:                        # doctest: +SKIP
    ...     pool.start("paddle", "torch")           # both import side by side
    ...     pool["torch"].hello["versions"]
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or load_settings()
        self._workers: dict[str, Worker] = {}
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="xframe-")).absolute()
        except OSError as error:
            raise OutputError(
                f"No folder for the session's arrays: {error}. Try: TMPDIR=<a folder with space>."
            ) from error
        try:
            self._guard = Guard(self.folder)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, *frameworks: str) -> None:
        """Start workers without waiting for their imports."""
        for framework in frameworks:
            if framework not in self._workers:
                self._workers[framework] = Worker(framework, self.settings, self.folder, self._guard.group)

    def __getitem__(self, framework: str) -> Worker:
        """The worker of ``framework``; one whose interpreter does not start says so when it is asked for anything."""
        self.start(framework)
        return self._workers[framework]

    def revive(self) -> None:
        """Forget workers that died or were killed: whoever asks next gets new ones, without the models."""
        for framework, worker in list(self._workers.items()):
            if worker.broken:
                worker.kill()
                worker.close()
                del self._workers[framework]

    @property
    def pids(self) -> dict[str, int]:
        """Each started worker's process, by framework; waits for the imports."""
        return {framework: worker.hello["pid"] for framework, worker in self._workers.items()}

    def put(self, owner: str, arrays: Iterable[tuple[str, Array, str]]) -> list[tuple[str, exchange.Message]]:
        """Place ``(name, stored array, dtype)`` where a worker can map them. Raises OutputError for a full disk."""
        try:
            return exchange.put(self.folder, owner, arrays)
        except OSError as error:
            raise OutputError(
                f"The session's arrays cannot be written to {self.folder}: {error}. Try: TMPDIR=<a folder with space>."
            ) from error

    @contextmanager
    def scratch(self) -> Iterator[None]:
        """What is exchanged meanwhile is removed at the end; arrays that are still mapped stay readable."""
        before = set(self.folder.iterdir())
        try:
            yield
        finally:
            for path in set(self.folder.glob("*.arrays")) - before:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """End every worker and remove the session's folder. The guard goes last: it finishes what is interrupted."""
        for worker in self._workers.values():
            worker.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._guard.close()
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()
