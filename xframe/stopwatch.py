"""Seconds per step of a workflow, and a word to whoever shows progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str], None]


def silent(step: str) -> None:
    """Progress that nobody sees."""


class Stopwatch:
    """``with watch("plan"): …`` adds to ``seconds["plan"]`` and tells ``progress``."""

    def __init__(self, progress: Progress = silent) -> None:
        self._progress = progress
        self._started = time.perf_counter()
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str, label: str = "") -> Iterator[None]:
        self._progress(label or step)
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - started

    def finish(self) -> dict[str, float]:
        """All steps, and ``total`` since the beginning."""
        return {**self.seconds, "total": time.perf_counter() - self._started}
