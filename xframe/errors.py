"""Every error that xframe raises, in one tree.

    XframeError                    exit code 2 unless said otherwise
    ├── UsageError                 the command's own words: an unknown model, implementation, extension
    ├── TableError                 a mapping table or kinds.toml; carries every problem with its place
    ├── LayoutError                an axis pattern that does not parse, or a shape that does not fit it
    ├── CheckpointError            a weight file that is not what it should be
    │   └── UnsafeCheckpoint       a file that asks for code to be run
    ├── OutputError                a file that cannot be written
    ├── PlanError                  a port that would leave a tensor unset, unused, or of another shape or dtype
    ├── ModelError                 a factory, model or run that failed in the user's code or the framework's
    └── WorkerError                exit code 3
        ├── FrameworkMissing       the interpreter has no such framework, or there is no such interpreter
        ├── WorkerDied             the process ended: its signal and its last words
        └── WorkerTimeout          no answer in time; the process was killed

A message is one paragraph: what was expected, what was found, what to try.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class XframeError(Exception):
    """Base of all errors that xframe raises on purpose."""

    exit_code = 2


class UsageError(XframeError):
    """The command's own words do not fit: an unknown model, implementation, extension or option."""


class LayoutError(XframeError):
    """An axis pattern does not parse, or a shape does not fit its pattern."""


class CheckpointError(XframeError):
    """A weight file is missing, damaged, of another format, or holds what no state dict holds."""


class UnsafeCheckpoint(CheckpointError):
    """A weight file asks for something to be imported or called. Nothing was."""


class OutputError(XframeError):
    """An output file cannot be written; whatever stood at its path is untouched."""


class ModelError(XframeError):
    """A factory, a model or a run failed inside the framework; carries the framework's own words."""


class WorkerError(XframeError):
    """A framework's process could not serve."""

    exit_code = 3


class FrameworkMissing(WorkerError):
    """The ``framework``, or the interpreter that should hold it, is not installed."""

    framework = ""


class WorkerDied(WorkerError):
    """The framework's process ended before it answered."""


class WorkerTimeout(WorkerError):
    """The framework's process did not answer in time and was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that the user can mend.

    ``kind`` is a word for machines (``missing``, ``unused``, ``shape``, ``dtype``, ``unknown`` …), ``tensor`` the
    state-dict name or the place in a table that it is about.
    """

    kind: str
    tensor: str
    detail: str
    suggestion: str = ""

    def to_json(self) -> dict[str, str]:
        """As an entry of ``problems`` in ``--json``."""
        return {"kind": self.kind, "tensor": self.tensor, "detail": self.detail, "suggestion": self.suggestion}

    def __str__(self) -> str:
        hint = f" ({self.suggestion})" if self.suggestion else ""
        return f"{self.tensor}: {self.detail}{hint}"


class ProblemsError(XframeError):
    """An error that lists every problem at once; a ``brief`` one says only the summary, which covers them all."""

    def __init__(self, summary: str, problems: Sequence[Problem], *, brief: bool = False) -> None:
        self.summary = summary
        self.problems = tuple(problems)
        listed = () if brief else self.problems
        super().__init__("\n".join([summary, *(f"  {problem}" for problem in listed)]))


class TableError(ProblemsError):
    """A mapping table, or kinds.toml, is wrong; one Problem a place."""


class PlanError(ProblemsError):
    """A port would not be complete and exact; one Problem a tensor. No tensor has moved."""


def printable(text: str) -> str:
    """Words out of a stranger's file, with what would move a terminal's cursor spelt out; lines stay lines."""
    return "".join(char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text)
