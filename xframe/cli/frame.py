"""What every command stands in: errors become a paragraph and an exit code, progress goes to stderr."""

from __future__ import annotations

import functools
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from xframe.errors import ProblemsError, XframeError, printable

if TYPE_CHECKING:
    from xframe.stopwatch import Progress

INTERRUPTED = 3
BUG = 3
_BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def guarded(command: Callable[..., int | None]) -> Callable[..., None]:
    """Errors become one paragraph on stderr and an exit code; a traceback only under --debug."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            load_numpy()
            code = command(*args, **kwargs)
        except (Exception, KeyboardInterrupt) as error:
            if kwargs.get("debug"):
                traceback.print_exc()
            _report_error(error, as_json=bool(kwargs.get("json_")), command=command.__name__.rstrip("_"))
            code = _exit_code(error)
        raise typer.Exit(code or 0)

    return run


def load_numpy() -> None:
    """Load numpy without its OpenBLAS's threads: they spin as they start, and no command multiplies matrices.

    Workers start as ever: the variable does not stay.
    """
    if _BLAS_THREADS not in os.environ:
        os.environ[_BLAS_THREADS] = "1"
        try:
            import numpy  # noqa: F401, ICN001 - for its library's sake
        finally:
            del os.environ[_BLAS_THREADS]


def _exit_code(error: BaseException) -> int:
    if isinstance(error, XframeError):
        return error.exit_code
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else BUG


def _report_error(error: BaseException, *, as_json: bool, command: str) -> None:
    if isinstance(error, KeyboardInterrupt):
        message = "Interrupted. Nothing was written; the workers have ended."
    elif isinstance(error, XframeError):
        message = str(error)
    else:
        message = f"xframe itself failed ({type(error).__name__}: {error}). This is a bug; --debug shows where."
    if as_json:
        problems = [problem.to_json() for problem in error.problems] if isinstance(error, ProblemsError) else []
        code = _exit_code(error)
        print_json(
            {
                "command": command,
                "verdict": "refused" if code == 2 else "failed",
                "error": message,
                "problems": problems,
                "exit_code": code,
            }
        )
    print(f"xframe: {printable(message)}", file=sys.stderr)


def print_json(value: Any) -> None:
    """One JSON object on stdout. Infinities and NaN are no JSON: results give None for them."""
    _print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def display(renderable: Any) -> None:
    """A result for people, on stdout; into a pipe without colour and without padding."""
    from xframe.report.text import console

    out = console()
    with out.capture() as captured:
        out.print(renderable)
    text = captured.get()
    _print(text.rstrip("\n") if out.is_terminal else "\n".join(line.rstrip() for line in text.splitlines()))


def _print(text: str) -> None:
    """A reader that leaves early, such as ``head``, changes neither the exit code nor what stderr says."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def progress_on_stderr(*, quiet: bool) -> Iterator[Progress]:
    """A spinner with the step's name on stderr, with bytes and their rate where bytes move; nothing off a terminal."""
    from xframe.stopwatch import silent

    if quiet or not sys.stderr.isatty():
        yield silent
        return
    from xframe.report.bar import bar

    with bar() as progress:
        yield progress
