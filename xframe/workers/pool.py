"""The workers of a session, and the folder through which they and the parent exchange arrays."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import execnet

from xframe.workers.settings import Settings, load_settings
from xframe.workers.worker import Worker


class Pool:
    """Starts a worker when it is first asked for and keeps it. A context manager: leaves no process and no file.

    >>> with Pool() as pool:                        # doctest: +SKIP
    ...     pool.start("paddle", "torch")           # both import side by side
    ...     pool["torch"].hello["versions"]
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or load_settings()
        self._group = execnet.Group()
        self._workers: dict[str, Worker] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="xframe-"))

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
                python = self.settings.python(framework)
                self._workers[framework] = Worker(self._group, framework, python, self.folder, self.settings.timeout)

    def __getitem__(self, framework: str) -> Worker:
        """The worker of ``framework``. Raises FrameworkMissing when its interpreter does not start."""
        self.start(framework)
        return self._workers[framework]

    def close(self) -> None:
        """End every worker and remove the session's folder."""
        for worker in self._workers.values():
            worker.kill()
        self._group.terminate(timeout=0)
        self._workers.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
