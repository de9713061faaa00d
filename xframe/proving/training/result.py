"""What training parity found. Frozen, with a truth value, and printable for machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xframe.comparison import finite_or_none
from xframe.proving.optimizers.spec import Optimizer

MODE = "training"  # the mode that both sides are put into for every step


@dataclass(frozen=True, slots=True, kw_only=True)
class StepParity:
    """One step on both sides: the losses, and the tensor that is farthest apart, running statistics aside."""

    step: int
    losses: tuple[float, float]
    tensor: str
    max_rel: float

    def to_json(self) -> dict[str, Any]:
        losses = [finite_or_none(loss) for loss in self.losses]
        return {"step": self.step, "losses": losses, "tensor": self.tensor, "max_rel": finite_or_none(self.max_rel)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """The first tensor, or "loss", that is not the same, and the step after which it is not; 0 is before any."""

    step: int
    source_name: str
    target_name: str
    max_abs: float
    max_rel: float
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "source_name": self.source_name,
            "target_name": self.target_name,
            "max_abs": finite_or_none(self.max_abs),
            "max_rel": finite_or_none(self.max_rel),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why the sides part, in a sentence. ``confirmed``: it was tried out, and reproduces what was found.

    ``predicted`` and ``found`` are relative sizes at ``step``; None where there is no number to it.
    """

    cause: str
    detail: str
    confirmed: bool
    step: int | None = None
    names: tuple[str, ...] = ()
    predicted: float | None = None
    found: float | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "cause": self.cause,
            "detail": self.detail,
            "confirmed": self.confirmed,
            "step": self.step,
            "names": list(self.names),
            "predicted": self.predicted,
            "found": self.found,
        }


@dataclass(frozen=True, slots=True)
class Silence:
    """Dropout that was off on one side: layers, and calls of functions in a step."""

    layers: tuple[str, ...]
    calls: int

    def to_json(self) -> dict[str, Any]:
        return {"layers": list(self.layers), "calls": self.calls}


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """Training parity. ``causes`` are differences that were predicted and verified; ``faults`` are all others.

    ``accounted`` are conventions of the frameworks that were allowed for and verified, such as N − 1 in a running
    variance; they spoil nothing. True unless different.
    """

    source: str
    target: str
    optimizers: tuple[Optimizer, Optimizer]
    steps: tuple[StepParity, ...]
    tensors: int
    parting: Parting | None
    causes: tuple[Cause, ...]
    faults: tuple[Cause, ...]
    accounted: tuple[Cause, ...]
    silenced: tuple[Silence, Silence]
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """One of "equivalent", "explained" and "different"."""
        if self.faults or (self.parting is not None and not self.causes):
            return "different"
        return "explained" if self.parting is not None or self.causes else "equivalent"

    def __bool__(self) -> bool:
        return self.verdict != "different"

    @property
    def max_rel(self) -> float:
        """The largest relative difference of a parameter at any step."""
        return max((step.max_rel for step in self.steps), default=float("inf"))

    def to_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        return {
            "verdict": self.verdict,
            "mode": MODE,
            "source": {"implementation": self.source, "optimizer": self.optimizers[0].to_json()},
            "target": {"implementation": self.target, "optimizer": self.optimizers[1].to_json()},
            "steps": [step.to_json() for step in self.steps],
            "tensors": self.tensors,
            "max_rel": finite_or_none(self.max_rel),
            "first_parting": None if self.parting is None else self.parting.to_json(),
            "causes": [cause.to_json() for cause in self.causes],
            "faults": [cause.to_json() for cause in self.faults],
            "accounted": [cause.to_json() for cause in self.accounted],
            "dropout_off": {"source": self.silenced[0].to_json(), "target": self.silenced[1].to_json()},
            "notes": list(self.notes),
        }
