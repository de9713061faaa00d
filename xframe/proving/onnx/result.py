"""What ``xframe onnx`` found, as data: every export, who agrees with whom, and who is to blame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xframe.mapping import Table
from xframe.proving.divergence import Divergence
from xframe.proving.onnx.parity import Parity
from xframe.proving.onnx.triangle import Agreement
from xframe.proving.verdict import DIFFERENT, EQUIVALENT, UNPROVEN


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OnnxResult:
    """Implementations of one table, exported and held against each other.

    ``failed`` has, by implementation, why an exporter wrote nothing. ``divergences`` say, by implementation, where the
    models themselves part from the first one. ``out`` are the files that were kept, by implementation.
    """

    table: Table
    implementations: tuple[str, ...]
    weights: str
    parities: tuple[Parity, ...]
    failed: Mapping[str, str]
    agreements: tuple[Agreement, ...]
    divergences: Mapping[str, Divergence] = field(default_factory=dict)
    out: Mapping[str, Path] = field(default_factory=dict)
    runtime: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<OnnxResult {self.table.name}: {self.verdict}>"

    def __str__(self) -> str:
        """What ``xframe onnx`` says, in a few lines."""
        lines = [f"{self.table.name}: {self.verdict}"]
        for parity in self.parities:
            exact = parity.unproven if parity.float64 is None else f"float64 {parity.float64}"
            lines.append(f"{parity.implementation} ({parity.export.exporter}): {exact}; float32 {parity.comparison}")
            lines += [f"  {parity.blame}"] if parity.blame is not None else []
        lines += [f"{name}: {reason}" for name, reason in self.failed.items()]
        lines += [f"{name}: {found}" for name, found in self.divergences.items()]
        return "\n".join(lines)

    @property
    def verdict(self) -> str:
        """Equivalent where every pair agrees and every graph holds; unproven where an exporter wrote none."""
        if not all(self.agreements) or not all(self.parities):
            return DIFFERENT
        return UNPROVEN if self.failed else EQUIVALENT

    @property
    def exit_code(self) -> int:
        return 0 if self.verdict == EQUIVALENT else 1

    def to_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        exports: dict[str, Any] = {parity.implementation: parity.to_json() for parity in self.parities}
        exports |= {name: {"passed": False, "error": reason} for name, reason in self.failed.items()}
        return {
            "command": "onnx",
            "model": self.table.name,
            "implementations": list(self.implementations),
            "verdict": self.verdict,
            "weights": self.weights,
            "exports": {name: exports[name] for name in self.implementations},
            "agreements": [agreement.to_json() for agreement in self.agreements],
            "divergences": {name: found.to_json() for name, found in self.divergences.items()},
            "runtime": dict(self.runtime),
            "problems": [],
            "notes": list(self.notes),
            "out": {name: str(path) for name, path in self.out.items()},
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "versions": {name: dict(found) for name, found in self.versions.items()},
        }
