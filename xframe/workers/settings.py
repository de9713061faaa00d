"""Which interpreter serves a framework, and how long it may take: environment first, then xframe.toml."""

from __future__ import annotations

import os
import sys
import threading
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xframe.errors import UsageError
from xframe.planning.suggest import nearest

FILE = "xframe.toml"
TIMEOUT = 600.0
_VARIABLE = "XFRAME_PYTHON_"
FRAMEWORKS = sorted({path.stem for path in Path(__file__).parents[1].glob("frameworks/*.py")} - {"__init__", "server"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``pythons``: framework → interpreter of its own. ``timeout``: seconds for one request."""

    pythons: Mapping[str, str] = field(default_factory=dict)
    timeout: float = TIMEOUT
    origin: str = "defaults"

    def python(self, framework: str) -> str:
        """The interpreter for ``framework``; this process's own unless set."""
        return self.pythons.get(framework, sys.executable)


def load_settings(folder: Path | None = None) -> Settings:
    """Settings for ``folder`` (the working directory): ``XFRAME_…`` variables, then the nearest xframe.toml upwards.

    Raises UsageError for a file that cannot be read, a key or framework that is not known, a value that is none.
    """
    start = (folder or Path.cwd()).resolve()
    path = next((parent / FILE for parent in (start, *start.parents) if (parent / FILE).is_file()), None)
    data = _read(path) if path is not None else {}
    pythons = dict(_file_pythons(path, data.get("frameworks", {}))) if path is not None else {}
    timeout = _seconds(f"{path}: timeout", data.get("timeout", TIMEOUT))
    return Settings(
        pythons=pythons | dict(_environment_pythons()),
        timeout=_environment_timeout() or timeout,
        origin=str(path or "defaults"),
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from error
    unknown = data.keys() - {"frameworks", "timeout"}
    if unknown:
        raise UsageError(f"{path}: unknown keys {sorted(unknown)}. Known: timeout, [frameworks.<name>] python.")
    return data


def _environment_timeout() -> float | None:
    text = os.environ.get("XFRAME_TIMEOUT", "")
    try:
        return _seconds("XFRAME_TIMEOUT", float(text)) if text else None
    except ValueError:
        return _seconds("XFRAME_TIMEOUT", text)


def _seconds(place: str, value: Any) -> float:
    if type(value) not in (int, float) or not 0 < value <= threading.TIMEOUT_MAX:
        raise UsageError(f"{place} must be a number of seconds above 0, such as 600; found {value!r}.")
    return float(value)


def _file_pythons(path: Path, frameworks: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(frameworks, dict):
        raise UsageError(f"{path}: frameworks holds tables, [frameworks.torch] for one; found {frameworks!r}.")
    for name, table in frameworks.items():
        _check_framework(f"{path}: [frameworks.{name}]", name)
        python = table.get("python") if isinstance(table, dict) and len(table) == 1 else None
        if not isinstance(python, str) or not python or "\0" in python:
            raise UsageError(
                f'{path}: [frameworks.{name}] takes one key, python = "/path/of/its/interpreter"; found {table!r}.'
            )
        yield name, _relative_to(path, python)


def _environment_pythons() -> Iterator[tuple[str, str]]:
    for variable, python in os.environ.items():
        if variable.startswith(_VARIABLE) and python:
            name = variable.removeprefix(_VARIABLE).lower()
            _check_framework(variable, name)
            yield name, python


def _check_framework(place: str, name: str) -> None:
    if name not in FRAMEWORKS:
        near = nearest(name, FRAMEWORKS)
        hint = f"Did you mean {near}?" if near else f"Known: {', '.join(FRAMEWORKS)}."
        raise UsageError(f"{place} names a framework that xframe does not know: '{name}'. {hint}")


def _relative_to(path: Path, python: str) -> str:
    """A path inside xframe.toml is relative to that file; a bare command is looked up."""
    if python.startswith("~/"):
        return str(Path.home() / python[2:])
    return str(path.parent / python) if "/" in python else python
