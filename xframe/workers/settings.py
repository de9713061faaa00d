"""Which interpreter serves a framework, which backend serves Keras, and how long it may take.

The environment decides first (``XFRAME_PYTHON_…``, ``XFRAME_TIMEOUT``, Keras's ``KERAS_BACKEND``), then xframe.toml.
"""

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
BACKENDS = ("tensorflow", "torch", "jax")  # Keras's own names for what it can run on
_VARIABLE = "XFRAME_PYTHON_"
_KEYS = ('one key, python = "/path/of/its/interpreter"', 'python = "/path/of/its/interpreter" and backend = "torch"')
FRAMEWORKS = ["keras", "onnx", "paddle", "tf", "torch"]  # a module of xframe.frameworks each


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``pythons``: framework → interpreter of its own. ``timeout``: seconds for one request.

    ``backend`` is what Keras runs on; "" leaves it to Keras. ``paths`` are folders that workers import a user's models
    from, besides the working directory.
    """

    pythons: Mapping[str, str] = field(default_factory=dict)
    backend: str = ""
    timeout: float = TIMEOUT
    origin: str = "defaults"
    paths: tuple[str, ...] = ()

    def python(self, framework: str) -> str:
        """The interpreter for ``framework``; this process's own unless set."""
        return self.pythons.get(framework, sys.executable)

    def environment(self, framework: str) -> dict[str, str]:
        """Variables that ``framework``'s process finds set where the user has not set them."""
        return {"KERAS_BACKEND": self.backend} if framework == "keras" and self.backend else {}


def load_settings(folder: Path | None = None) -> Settings:
    """Settings for ``folder`` (the working directory): ``XFRAME_…`` variables, then the nearest xframe.toml upwards.

    Raises UsageError for a file that cannot be read, a key or framework that is not known, a value that is none.
    """
    start = (folder or Path.cwd()).resolve()
    path = next((parent / FILE for parent in (start, *start.parents) if (parent / FILE).is_file()), None)
    data = _read(path) if path is not None else {}
    tables = dict(_tables(path, data.get("frameworks", {}))) if path is not None else {}
    timeout = _seconds(f"{path}: timeout", data.get("timeout", TIMEOUT))
    return Settings(
        pythons=_pythons(path, tables) | dict(_environment_pythons()),
        backend=tables.get("keras", {}).get("backend", ""),
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


def _tables(path: Path, frameworks: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """Each ``[frameworks.<name>]``, its keys and values checked."""
    if not isinstance(frameworks, dict):
        raise UsageError(f"{path}: frameworks holds tables, [frameworks.torch] for one; found {frameworks!r}.")
    for name, table in frameworks.items():
        place = f"{path}: [frameworks.{name}]"
        _check_framework(place, name)
        takes = {"python", "backend"} if name == "keras" else {"python"}
        if not isinstance(table, dict) or not table or table.keys() - takes:
            raise UsageError(f"{place} takes {_KEYS[name == 'keras']}; found {table!r}.")
        python = table.get("python", "python")
        if not isinstance(python, str) or not python or "\0" in python:
            raise UsageError(f"{place} takes {_KEYS[name == 'keras']}; found {table!r}.")
        if table.get("backend", BACKENDS[0]) not in BACKENDS:
            raise UsageError(f"{place}: backend is one of {', '.join(BACKENDS)}; found {table['backend']!r}.")
        yield name, table


def _pythons(path: Path | None, tables: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    if path is None:
        return {}
    return {name: _relative_to(path, table["python"]) for name, table in tables.items() if "python" in table}


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
