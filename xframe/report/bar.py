"""Progress for people, on stderr: the step, and while bytes move how many of them and how fast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich import progress as rich
from rich.filesize import decimal
from rich.text import Text

from xframe.report.text import console
from xframe.stopwatch import Progress


class _Moved(rich.ProgressColumn):
    """``42 %  0.9 GB of 2.1 GB  1.6 GB/s``; nothing for a step without bytes."""

    def render(self, task: rich.Task) -> Text:
        if not task.total:
            return Text()
        rate = f"  {decimal(int(task.speed))}/s" if task.speed else ""
        return Text(f"{task.percentage:3.0f} %  {decimal(int(task.completed))} of {decimal(int(task.total))}{rate}")


class _Bar(Progress):
    def __init__(self, display: rich.Progress) -> None:
        self._display = display
        self._task = display.add_task("starting", total=None)

    def __call__(self, step: str) -> None:
        self._display.reset(self._task, description=step, total=None)

    def expect(self, nbytes: int) -> None:
        self._display.update(self._task, total=nbytes)

    def advance(self, nbytes: int) -> None:
        self._display.advance(self._task, nbytes)


@contextmanager
def bar() -> Iterator[Progress]:
    """A line on stderr that is gone at the end."""
    columns = (rich.SpinnerColumn(), rich.TextColumn("{task.description}"), rich.TimeElapsedColumn(), _Moved())
    with rich.Progress(*columns, console=console(stderr=True), transient=True) as display:
        yield _Bar(display)
