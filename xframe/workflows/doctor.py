"""``doctor``: which frameworks xframe finds, in which interpreters, and what is known to clash."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xframe._version import __version__
from xframe.errors import WorkerError
from xframe.native import pieces, words
from xframe.workers import FRAMEWORKS, Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One framework: its interpreter, versions, and the seconds that its import takes; or why it cannot serve."""

    framework: str
    python: str
    versions: Mapping[str, str]
    seconds: float | None
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "framework": self.framework,
            "found": not self.error,
            "python": self.python,
            "versions": dict(self.versions),
            "import_seconds": None if self.seconds is None else round(self.seconds, 2),
            "error": self.error,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Everything that doctor found. ``compiled``: whether xframe's own C was compiled when it was installed."""

    findings: tuple[Finding, ...]
    conflicts: tuple[str, ...]
    settings: str
    timeout: float
    compiled: bool

    def to_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return {
            "command": "doctor",
            "xframe": __version__,
            "platform": platform.platform(),
            "settings": self.settings,
            "timeout": self.timeout,
            "compiled": self.compiled,
            "frameworks": [finding.to_json() for finding in self.findings],
            "conflicts": list(self.conflicts),
        }


def examine(frameworks: Sequence[str] = FRAMEWORKS) -> Diagnosis:
    """Start a worker for each framework, side by side, and ask it."""
    with Pool() as pool:
        pool.start(*frameworks)
        findings = tuple(_find(pool, framework) for framework in frameworks)
        return Diagnosis(
            findings=findings,
            conflicts=tuple(_conflicts({finding.framework: finding for finding in findings})),
            settings=pool.settings.origin,
            timeout=pool.settings.timeout,
            compiled=None not in (pieces, words),
        )


def _find(pool: Pool, framework: str) -> Finding:
    python = pool.settings.python(framework)
    try:
        hello = pool[framework].hello
    except WorkerError as error:
        return Finding(framework=framework, python=python, versions={}, seconds=None, error=str(error))
    return Finding(framework=framework, python=hello["python"], versions=hello["versions"], seconds=hello["seconds"])


def _conflicts(found: Mapping[str, Finding]) -> list[str]:
    """Clashes that were seen on the versions at hand, and what xframe does about them."""
    paddle, keras = (found.get(name) for name in ("paddle", "keras"))
    conflicts = []
    if paddle and keras and not paddle.error and "tensorflow" in keras.versions and paddle.python == keras.python:
        conflicts.append(
            "paddle and tensorflow share an interpreter: `import tensorflow; import paddle` in one process ends in a "
            "segmentation fault. xframe gives each a process of its own; your own scripts should import paddle first."
        )
    if paddle and not paddle.error and int(paddle.versions["numpy"].split(".")[0]) >= 2:
        conflicts.append("paddle.flops fails under numpy 2. xframe does not use it.")
    return conflicts
