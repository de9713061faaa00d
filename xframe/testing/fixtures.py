"""``xframe_port`` and ``xframe_diff``: the workflows in the session's workers, for tests of one's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xframe.proving.diff_result import DiffResult
from xframe.proving.verdict import PortResult
from xframe.report.diffs import render_diff
from xframe.report.text import plain, render_port
from xframe.testing.asked import Asked
from xframe.workers import Pool
from xframe.workers.settings import Settings, load_settings
from xframe.workflows.diff import DiffOptions, diff
from xframe.workflows.port import PortOptions, port

Results = list[DiffResult | PortResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflows:
    """``port`` and ``diff`` for one test. Paths are relative to its ``folder``; ports go into ``out`` unless told.

    What they find is kept in ``results``: where the test fails, it is shown.
    """

    pool: Pool
    folder: Path
    out: Path
    asked: Asked
    results: Results

    def port(self, model: str | Path, source: str, target: str, **options: Any) -> PortResult:
        """``xframe.port``; ``options`` are those of PortOptions, and ``rtol`` and ``atol``."""
        held = self._held(options)
        held.setdefault("onnx", self.asked.onnx)
        held.setdefault("out", self.out / "ported.npz")
        result = port(self._model(model), source, target, PortOptions(**held), pool=self.pool)
        self.results.append(result)
        return result

    def diff(self, model: str | Path, source: str, target: str, **options: Any) -> DiffResult:
        """``xframe.diff``; ``options`` are those of DiffOptions, and ``rtol`` and ``atol``."""
        held = self._held(options)
        held["gradients"] = held.get("gradients", False) or self.asked.gradients
        held["train_steps"] = self.asked.steps(held.get("train_steps", 0))
        result = diff(self._model(model), source, target, DiffOptions(**held), pool=self.pool)
        self.results.append(result)
        return result

    def _model(self, model: str | Path) -> str:
        name = str(model)
        return str(self.folder / name) if name.endswith(".toml") or "/" in name else name

    def _held(self, options: dict[str, Any]) -> dict[str, Any]:
        """Options with the command line's tolerance, and paths made whole."""
        held = dict(options)
        if "tolerance" not in held:
            held["tolerance"] = self.asked.tolerance(held.pop("rtol", None), held.pop("atol", None))
        for name in ("weights", "input", "source_weights", "target_weights", "out"):
            if held.get(name) is not None:
                held[name] = self.folder / held[name]
        return held


def shown(results: Results) -> Iterator[tuple[str, str]]:
    """A heading and what xframe says, of every result that is not equivalent."""
    for result in results:
        plan = result.plan
        if result.verdict != "equivalent":
            said = plain(render_diff(result) if isinstance(result, DiffResult) else render_port(result))
            yield f"xframe: {plan.table.name} {plan.source} → {plan.target}", said


def worker_settings(root: Path) -> Settings:
    """The settings, and every folder below ``root`` that tests import from: workers find the same models."""
    installed = [Path(prefix).resolve() for prefix in {sys.prefix, sys.exec_prefix, sys.base_prefix}]
    found = [Path(entry).resolve() for entry in sys.path if entry]
    own = [path for path in found if path.is_relative_to(root) and not any(path.is_relative_to(p) for p in installed)]
    return replace(load_settings(), paths=tuple(dict.fromkeys(map(str, own))))
