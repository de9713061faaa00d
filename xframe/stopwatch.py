"""Seconds per step of a workflow, and a word to whoever shows progress."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Who is told how far a workflow is. This one tells nobody."""

    def __call__(self, step: str) -> None:
        """A step begins."""

    def expect(self, nbytes: int) -> None:
        """The present step moves that many bytes."""

    def advance(self, nbytes: int) -> None:
        """So many bytes more have moved; told from any thread."""


silent = Progress()


class Stopwatch:
    """``with watch("plan"): …`` adds to ``seconds["plan"]`` and tells ``progress``."""

    def __init__(self, progress: Progress = silent) -> None:
        self.progress = progress
        self._started = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str, label: str = "") -> Iterator[None]:
        self.progress(label or step)
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - started

    def finish(self) -> dict[str, float]:
        """All steps, and ``total`` since the beginning."""
        return {**self.seconds, "total": time.perf_counter() - self._started}
