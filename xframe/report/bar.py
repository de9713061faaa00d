"""Progress for people, on stderr: the step, and while bytes move how many of them and how fast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich import progress as rich
from rich.filesize import decimal
from rich.table import Column
from rich.text import Text

from xframe.report.text import console
from xframe.stopwatch import Progress


class _Step(rich.ProgressColumn):
    """``writing 0:00:03  42 %  0.9 GB of 2.1 GB  310.2 MB/s``; without bytes for a step that moves none.

    It is one line, clipped where the terminal is narrower: a second one would make the whole of it jump.
    """

    def render(self, task: rich.Task) -> Text:
        seconds = timedelta(seconds=int(task.elapsed or 0))
        return Text.assemble(
            task.description, " ", (str(seconds), "progress.elapsed"), _moved(task), no_wrap=True, overflow="ellipsis"
        )


def _moved(task: rich.Task) -> str:
    nbytes = task.fields["nbytes"]
    if not nbytes:
        return ""
    rate = f"  {decimal(int(task.speed))}/s" if task.speed else ""
    return f" {task.percentage:3.0f} %  {decimal(int(task.completed))} of {decimal(nbytes)}{rate}"


class _Bar(Progress):
    def __init__(self, display: rich.Progress) -> None:
        self._display = display
        self._task = display.add_task("starting", total=None, nbytes=0)

    def __call__(self, step: str) -> None:
        self._display.reset(self._task, description=step, nbytes=0)  # which keeps the total: rich takes no None here

    def expect(self, nbytes: int) -> None:
        self._display.update(self._task, total=nbytes, nbytes=nbytes)

    def advance(self, nbytes: int) -> None:
        self._display.advance(self._task, nbytes)


@contextmanager
def bar() -> Iterator[Progress]:
    """A line on stderr that is gone at the end."""
    columns = (rich.SpinnerColumn(table_column=Column(no_wrap=True)), _Step())
    with rich.Progress(*columns, console=console(stderr=True), transient=True) as display:
        yield _Bar(display)
