"""What holding an implementation to a golden found, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xframe.comparison import Comparison
from xframe.proving.divergence import Divergence
from xframe.proving.verdict import DIFFERENT, EQUIVALENT
from xframe.testing.goldens import Golden


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenCall:
    """A recorded call of a mapped layer and the same call here; ``comparison`` is None where this side makes none.

    ``layer`` is the kind's name, ``place`` the number of the call in the golden.
    """

    layer: str
    source_name: str
    target_name: str
    turn: int
    place: int
    comparison: Comparison | None

    @property
    def name(self) -> str:
        """The kind and the recorded name, and which call it is where there are several."""
        return f"{self.layer} {self.source_name}" + (f" (call {self.turn + 1})" if self.turn else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenGradient:
    """What flows into a tensor, under its recorded name, or into the input, against what was recorded of it."""

    name: str
    comparison: Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenResult:
    """An implementation held to a golden. True where outputs, every paired layer and every recorded gradient agree."""

    golden: Golden
    path: Path
    column: str
    outputs: Comparison
    calls: tuple[GoldenCall, ...]
    first_divergence: Divergence | None
    gradients: tuple[GoldenGradient, ...] | None = None
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        agree = bool(self.outputs) and not self.parted and self.first_divergence is None
        return agree and all(found.comparison for found in self.gradients or ())

    @property
    def verdict(self) -> str:
        return EQUIVALENT if self else DIFFERENT

    @property
    def paired(self) -> tuple[GoldenCall, ...]:
        """Calls that both sides make."""
        return tuple(call for call in self.calls if call.comparison is not None)

    @property
    def parted(self) -> tuple[GoldenCall, ...]:
        return tuple(call for call in self.paired if not call.comparison)
