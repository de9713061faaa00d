"""Outputs of two sides in one form: where one returns logits and the other probabilities, both as probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xframe.comparison import Tolerance, compare_all
from xframe.mapping import Implementation
from xframe.tensors import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class BothPrecisions:
    """One side's outputs, as it returned them or as they are compared."""

    float64: Sequence[Array]
    float32: Sequence[Array]

    @property
    def noise(self) -> float:
        """Max |float32 − float64|: what rounding alone does on this side. Infinite where they do not compare."""
        return compare_all(self.float64, self.float32, Tolerance()).max_abs

    def as_probabilities(self) -> BothPrecisions:
        """These logits behind a softmax."""
        return BothPrecisions(float64=[*map(softmax, self.float64)], float32=[*map(softmax, self.float32)])


def softmax(logits: Array) -> Array:
    """Softmax over the last axis, in float64. NaN and Inf are handed through: a softmax could hide an infinity."""
    values = logits.astype(np.float64)
    if not np.isfinite(values).all():
        return values
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    shares: Array = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def in_one_form(
    source: BothPrecisions, target: BothPrecisions, ends: tuple[Implementation, Implementation]
) -> tuple[BothPrecisions, BothPrecisions, tuple[str, ...]]:
    """Both sides' outputs as they can be compared, and a note on what was done to them."""
    returned = [end.output for end in ends]
    if returned == ["logits", "probabilities"]:
        return source.as_probabilities(), target, (_note(*ends),)
    if returned == ["probabilities", "logits"]:
        return source, target.as_probabilities(), (_note(*reversed(ends)),)
    return source, target, ()


def _note(logits: Implementation, probabilities: Implementation) -> str:
    return (
        f"{probabilities.name} returns probabilities and {logits.name} logits: the outputs of {logits.name} were "
        f"compared behind a softmax in float64"
    )
