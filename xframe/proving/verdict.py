"""What a port proved, as data: figures, verdict, and the object that ``--json`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xframe.comparison import Comparison, finite_or_none
from xframe.dtypes import Loss
from xframe.planning import PortPlan
from xframe.proving.divergence import Divergence
from xframe.proving.onnx.parity import Parity
from xframe.proving.optimizers.result import OptimizerPort

EQUIVALENT, DIFFERENT, UNPROVEN, UNVERIFIED = "equivalent", "different", "unproven", "unverified"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Both precisions of both sides, and who parted first.

    ``noise_source`` and ``noise_target`` are each side's max |float32 − float64|: what float32 rounding alone does.
    ``unproven`` names the source's tensors that the outputs cannot see, ``seen`` counts the others; None where
    that was not measured. ``notes`` say what was done to outputs before they were compared.
    """

    float64: Comparison
    float32: Comparison
    noise_source: float
    noise_target: float
    divergence: Divergence | None = None
    parities: tuple[Parity, ...] = ()
    blind: bool = False
    fold_rounding: float | None = None
    unproven: tuple[str, ...] | None = None
    seen: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """float64 decides; float32 must at least compare (no NaN, no Inf), and every export must hold."""
        return bool(self.float64) and not self.float32.reason and all(self.parities)

    def __bool__(self) -> bool:
        """Agreement is a proof only where the outputs see anything: ``blind`` ones are the same for every input."""
        return self.agrees and not self.blind


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PortResult:
    """A port that was carried out. ``out`` is None when it was different and nothing was written.

    ``strict_proof`` lets no tensor pass that the outputs cannot see. ``precision`` has, by side, the switches that let
    float32 be computed in less, and which of them do.
    """

    plan: PortPlan
    proof: Proof | None
    out: Path | None
    loss: Loss
    weights: str
    strict_proof: bool = False
    nonfinite: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    certificate: Path | None = None
    nbytes: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    precision: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    optimizer: OptimizerPort | None = None

    def __repr__(self) -> str:
        return f"<PortResult {heading(self.plan)}: {self.verdict}>"

    def __str__(self) -> str:
        """What `xframe port` says, in a few lines."""
        said = [f"{heading(self.plan)}: {self.verdict}"]
        if self.proof is not None:
            said += [f"float64: {self.proof.float64}", f"float32: {self.proof.float32}"]
        if self.proof is not None and self.proof.divergence is not None:
            said.append(f"first divergence: {self.proof.divergence}")
        if self.proof is not None and self.proof.unproven:
            said.append(f"unproven: {', '.join(self.proof.unproven)}")
        return "\n".join([*said, *self.notes, f"wrote {self.out}" if self.out is not None else "wrote nothing"])

    @property
    def verdict(self) -> str:
        if self.proof is None:
            return UNVERIFIED
        if not self.proof.agrees or (self.optimizer is not None and not self.optimizer):
            return DIFFERENT
        return EQUIVALENT if self.holds else UNPROVEN

    @property
    def holds(self) -> bool:
        """Whether the proof stands. NaN and Inf in the weights never pass: a relu may hide them from the outputs."""
        carried = self.optimizer is None or bool(self.optimizer)
        return bool(self.proof) and carried and not self.nonfinite and not (self.strict_proof and self._unseen)

    @property
    def _unseen(self) -> bool:
        """Whether some tensor is unproven; one that was not measured is."""
        return self.proof is None or self.proof.unproven is None or bool(self.proof.unproven)

    @property
    def exit_code(self) -> int:
        return 1 if self.verdict in (DIFFERENT, UNPROVEN) else 0

    def to_json(self) -> dict[str, Any]:
        """The keys of the command-line contract; figures that were not measured are null, not zero."""
        proof, plan = self.proof, self.plan
        noise = {} if proof is None else {"noise_source": proof.noise_source, "noise_target": proof.noise_target}
        float32 = (
            None
            if proof is None
            else {**proof.float32.to_json(), **{key: finite_or_none(v) for key, v in noise.items()}}
        )
        seen = None if proof is None else proof.seen
        return {
            "command": "port",
            "model": plan.table.name,
            "source": plan.source,
            "target": plan.target,
            "verdict": self.verdict,
            "tensors": {**plan.counts(), "nonfinite": list(self.nonfinite), "unproven": _listed(proof), "seen": seen},
            "float64": None if proof is None else proof.float64.to_json(),
            "float32": float32,
            "first_divergence": None if proof is None or proof.divergence is None else proof.divergence.to_json(),
            "onnx": None
            if proof is None or not proof.parities
            else {p.implementation: p.to_json() for p in proof.parities},
            "problems": [],
            "optimizer": None if self.optimizer is None else self.optimizer.to_json(),
            "notes": list(self.notes),
            "conversion": self.loss.to_json(),
            "fold_rounding": None if proof is None else proof.fold_rounding,
            "out": None if self.out is None else str(self.out),
            "certificate": None if self.certificate is None else str(self.certificate),
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "versions": {side: dict(found) for side, found in self.versions.items()},
            "precision": {side: dict(found) for side, found in self.precision.items()},
        }


def heading(plan: PortPlan) -> str:
    """``resnet18 paddle → torch``."""
    return f"{plan.table.name} {plan.source} → {plan.target}"


def _listed(proof: Proof | None) -> list[str] | None:
    return None if proof is None or proof.unproven is None else list(proof.unproven)
