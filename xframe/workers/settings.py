"""Which interpreter serves a framework, and how long it may take: environment first, then xframe.toml."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xframe.errors import UsageError

FILE = "xframe.toml"
TIMEOUT = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``pythons``: framework → interpreter of its own. ``timeout``: seconds for one request."""

    pythons: Mapping[str, str] = field(default_factory=dict)
    timeout: float = TIMEOUT
    origin: str = "defaults"

    def python(self, framework: str) -> str:
        """The interpreter for ``framework``; this process's own unless set."""
        variable = f"XFRAME_PYTHON_{framework.upper()}"
        return os.environ.get(variable) or self.pythons.get(framework) or sys.executable


def load_settings(folder: Path | None = None) -> Settings:
    """Settings for ``folder`` (the working directory): the nearest xframe.toml upwards, then ``XFRAME_TIMEOUT``.

    Raises UsageError for a file that cannot be read or a key that is not known.
    """
    start = (folder or Path.cwd()).resolve()
    path = next((parent / FILE for parent in (start, *start.parents) if (parent / FILE).is_file()), None)
    data = _read(path) if path is not None else {}
    timeout = os.environ.get("XFRAME_TIMEOUT", data.get("timeout", TIMEOUT))
    try:
        seconds = float(timeout)
    except (TypeError, ValueError):
        seconds = -1.0
    if not seconds > 0:
        raise UsageError(
            f"The timeout must be a number of seconds above 0 (XFRAME_TIMEOUT, or in {FILE}); found {timeout!r}."
        )
    return Settings(pythons=_pythons(path, data), timeout=seconds, origin=str(path) if path else "defaults")


def _read(path: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from error
    unknown = data.keys() - {"frameworks", "timeout"}
    if unknown:
        raise UsageError(f"{path}: unknown keys {sorted(unknown)}. Known: timeout, [frameworks.<name>] python.")
    return data


def _pythons(path: Path | None, data: Mapping[str, Any]) -> dict[str, str]:
    frameworks = data.get("frameworks", {})
    pythons = {}
    for name, table in frameworks.items() if isinstance(frameworks, dict) else ():
        if not isinstance(table, dict) or not isinstance(table.get("python"), str) or len(table) != 1:
            raise UsageError(
                f'{path}: [frameworks.{name}] takes one key, python = "/path/of/its/interpreter"; found {table!r}.'
            )
        pythons[name] = _relative_to(path, table["python"])
    return pythons


def _relative_to(path: Path | None, python: str) -> str:
    """A path inside xframe.toml is relative to that file; a bare command is looked up."""
    return str(path.parent / python) if path is not None and "/" in python else python
