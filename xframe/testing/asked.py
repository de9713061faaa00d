"""What the command line of pytest asks of every line."""

from __future__ import annotations

from dataclasses import dataclass

from xframe.comparison import FLOAT64_RTOL, Tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Figures that are None, and switches that are off, leave it to the line.

    ``record`` is None where goldens are held and not recorded; "" leaves the column that is recorded to the line.
    """

    rtol: float | None = None
    atol: float | None = None
    gradients: bool = False
    train_steps: int | None = None
    onnx: bool = False
    record: str | None = None

    def tolerance(self, rtol: float | None, atol: float | None) -> Tolerance:
        """The command line's figures, else those of a line, else the usual ones."""
        return Tolerance(rtol=_first(self.rtol, rtol, FLOAT64_RTOL), atol=_first(self.atol, atol, 0.0))

    def steps(self, said: int) -> int:
        """How many steps both sides are trained for."""
        return said if self.train_steps is None else self.train_steps


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)
