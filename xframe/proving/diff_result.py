"""What a diff found, as data: figures, verdict, and the object that ``--json`` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xframe.comparison import Comparison, finite_or_none
from xframe.planning import PortPlan
from xframe.proving.causes import Cause
from xframe.proving.divergence import Divergence
from xframe.proving.gradient_diff import Gradients
from xframe.proving.layer_diff import LayerDiff, LayerDiffs
from xframe.proving.tensor_diff import TensorDiff
from xframe.proving.training.result import Training
from xframe.proving.verdict import DIFFERENT, EQUIVALENT, heading

WORST = 5


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DiffResult:
    """Two implementations held against each other in float64.

    ``tensors`` are those of the target's own file that are not what the source's give; None without such a file.
    ``causes`` are those of every layer that parts by itself, by the layer's name.
    """

    plan: PortPlan
    outputs: Comparison
    layers: LayerDiffs
    weights: str
    tensors: tuple[TensorDiff, ...] | None = None
    first_divergence: Divergence | None = None
    causes: Mapping[str, tuple[Cause, ...]] = field(default_factory=dict)
    gradients: Gradients | None = None
    training: Training | None = None
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Outputs, every mapped layer, and whatever else was asked for agree."""
        agree = bool(self.outputs) and all(self.layers.calls) and not self.tensors
        asked = [found for found in (self.gradients, self.training) if found is not None]
        return agree and self.first_divergence is None and all(asked)

    def __repr__(self) -> str:
        return f"<DiffResult {heading(self.plan)}: {self.verdict}>"

    def __str__(self) -> str:
        """What `xframe diff` says, in a few lines."""
        count = sum(not call for call in self.layers.calls)
        said = [
            f"{heading(self.plan)}: {self.verdict}",
            f"outputs: {self.outputs}",
            f"layers: {count} of {len(self.layers.calls)} calls differ",
            *([f"first divergence: {self.first_divergence}"] if self.first_divergence is not None else []),
            *([str(self.gradients)] if self.gradients is not None else []),
            *([f"training: {self.training.verdict}"] if self.training is not None else []),
        ]
        return "\n".join([*said, *(f"tensor {found.name}: {found.how}" for found in self.tensors or ()), *self.notes])

    @property
    def verdict(self) -> str:
        return EQUIVALENT if self else DIFFERENT

    @property
    def exit_code(self) -> int:
        return 0 if self else 1

    def to_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return {
            "command": "diff",
            "model": self.plan.table.name,
            "source": self.plan.source,
            "target": self.plan.target,
            "verdict": self.verdict,
            "weights": self.weights,
            "outputs": {**self.outputs.to_json(), "reason": self.outputs.reason},
            "layers": [_layer_json(diff) for diff in self.layers.calls],
            "worst": [_layer_json(diff) for diff in self.layers.worst(WORST)],
            "first_divergence": None if self.first_divergence is None else self.first_divergence.to_json(),
            "causes": {name: [cause.to_json() for cause in causes] for name, causes in self.causes.items()},
            "tensors": None if self.tensors is None else [tensor.to_json() for tensor in self.tensors],
            "gradients": None if self.gradients is None else self.gradients.to_json(),
            "training": None if self.training is None else self.training.to_json(),
            "problems": [],
            "notes": list(self.notes),
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "versions": {side: dict(found) for side, found in self.versions.items()},
        }


def _layer_json(diff: LayerDiff) -> dict[str, Any]:
    return {
        "layer": diff.name,
        "source_name": diff.source_name,
        "target_name": diff.target_name,
        "call": diff.turn + 1,
        "max_rel": finite_or_none(diff.free.max_rel),
        "own_max_rel": None if diff.own is None else finite_or_none(diff.own.max_rel),
        "agrees": bool(diff),
        "reason": diff.free.reason,
    }
