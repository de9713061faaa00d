"""What an inference found: a row for each pair with its evidence, and what has no counterpart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xframe.inferring.pairing import Pairing
from xframe.inferring.parts import Part
from xframe.tensors import TensorSpec

if TYPE_CHECKING:
    from xframe.proving.diff_result import DiffResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One pair: why it stands, and what makes it doubtful ("" for nothing).

    ``unlike`` says that what the two layers give has other shapes, or lies behind an activation on one side, so that no
    diff may compare it.
    """

    pairing: Pairing
    evidence: str
    doubt: str = ""
    unlike: bool = False

    def __bool__(self) -> bool:
        return not self.doubt

    def to_json(self) -> dict[str, Any]:
        pairing = self.pairing
        return {
            "kind": pairing.kind.name,
            "source": pairing.source.cell,
            "target": pairing.target.cell,
            "evidence": self.evidence,
            "doubt": self.doubt or None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class InferResult:
    """A table, as a text and where it was written, and how far it is to be trusted.

    ``specs`` are both state dicts. ``source_alone`` and ``target_alone`` have no counterpart. ``proof`` is a diff by
    that table, None where nothing could be run.
    """

    columns: tuple[str, str]
    specs: tuple[Mapping[str, TensorSpec], Mapping[str, TensorSpec]]
    findings: tuple[Finding, ...]
    source_alone: tuple[Part, ...]
    target_alone: tuple[Part, ...]
    text: str
    rows: int
    runs: int
    out: Path | None = None
    proof: DiffResult | None = None
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def doubtful(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding)

    @property
    def verdict(self) -> str:
        """``inferred``, or what keeps it from that: ``incomplete``, ``doubtful``, ``different`` by its own table."""
        if self.source_alone or self.target_alone:
            return "incomplete"
        if self.doubtful:
            return "doubtful"
        return "inferred" if self.proof is None or self.proof else "different"

    def __bool__(self) -> bool:
        """Whether every part has a counterpart beyond doubt, and both models give the same by the table."""
        return self.verdict == "inferred"

    @property
    def exit_code(self) -> int:
        """0 for what is inferred, else 1."""
        return 0 if self else 1

    def to_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return {
            "command": "infer",
            "source": self.columns[0],
            "target": self.columns[1],
            "verdict": self.verdict,
            "pairs": [finding.to_json() for finding in self.findings],
            "alone": {
                "source": [part.cell for part in self.source_alone],
                "target": [part.cell for part in self.target_alone],
            },
            "rows": self.rows,
            "runs": self.runs,
            "float64": None if self.proof is None else self.proof.verdict,
            "table": self.text,
            "out": None if self.out is None else str(self.out),
            "notes": list(self.notes),
            "seconds": dict(self.seconds),
        }
