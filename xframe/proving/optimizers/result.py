"""What came of porting an optimizer's state. Frozen, with a truth value, and printable for machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from xframe.proving.optimizers.spec import Optimizer
from xframe.proving.training.result import Training


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerPort:
    """An optimizer's state that was carried over, and the training that went on from it on both sides.

    ``rounding`` is the largest relative change of a value by the file's dtype; ``digests`` are of every value in the
    file, by role and tensor of the target. ``out`` is None where nothing was written.
    """

    optimizer: Optimizer
    state: str
    step: int
    values: int
    rounding: float
    training: Training
    out: Path | None
    digests: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.training)

    def unwritten(self) -> OptimizerPort:
        """The same result where no file was published."""
        return replace(self, out=None)

    def to_json(self) -> dict[str, Any]:
        """Everything, for machines."""
        return {
            "optimizer": self.optimizer.to_json(),
            "state": self.state,
            "step": self.step,
            "values": self.values,
            "rounding": self.rounding,
            "training": self.training.to_json(),
            "out": None if self.out is None else str(self.out),
            "digests": dict(self.digests),
        }
