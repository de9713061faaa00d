"""Two arrays, or two runs, held against each other. A comparison has a truth value and never hides behind a NaN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xframe.tensors import Array

FLOAT64_RTOL = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """|a − b| ≤ atol + rtol · max|a|, for every element; the scale is the source's largest value."""

    atol: float = 0.0
    rtol: float = FLOAT64_RTOL


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How far two arrays are apart. ``reason`` says why they do not compare at all: shapes, NaN or Inf.

    ``max_abs`` is max |a − b|; ``max_rel`` is that over max |a|. Both are infinite where ``reason`` is given.
    """

    max_abs: float
    max_rel: float
    passed: bool
    reason: str = ""

    def __bool__(self) -> bool:
        return self.passed

    def to_json(self) -> dict[str, float | None]:
        """The two figures; None stands for infinite, which JSON does not have."""
        return {"max_abs": finite_or_none(self.max_abs), "max_rel": finite_or_none(self.max_rel)}


def finite_or_none(value: float) -> float | None:
    """``value``, or None where JSON could not hold it."""
    return value if np.isfinite(value) else None


def compare(source: Array, target: Array, tolerance: Tolerance) -> Comparison:
    """Attributes before values: shape, then finiteness, then the largest difference in float64."""
    if source.shape != target.shape:
        return _incomparable(f"shapes differ: {list(source.shape)} against {list(target.shape)}")
    if source.size == 0:
        return _incomparable("there is nothing to compare: the output is empty")
    a, b = source.astype(np.float64), target.astype(np.float64)
    bad = [side for side, values in (("source", a), ("target", b)) if not np.isfinite(values).all()]
    if bad:
        return _incomparable(f"NaN or Inf in the {' and the '.join(bad)}")
    max_abs, scale = float(np.abs(a - b).max()), float(np.abs(a).max())
    max_rel = max_abs / scale if scale else (0.0 if max_abs == 0 else float("inf"))
    return Comparison(max_abs=max_abs, max_rel=max_rel, passed=max_abs <= tolerance.atol + tolerance.rtol * scale)


def compare_all(source: Sequence[Array], target: Sequence[Array], tolerance: Tolerance) -> Comparison:
    """The worst of several outputs; another number of outputs never passes."""
    if len(source) != len(target) or not source:
        return _incomparable(f"{len(source)} outputs against {len(target)}")
    comparisons = [compare(a, b, tolerance) for a, b in zip(source, target, strict=True)]
    return max(comparisons, key=lambda found: (not found.passed, found.max_rel))


def same_bits(one: Array, other: Array) -> bool:
    """Whether two arrays agree in shape and in every bit: NaN equals NaN, and 0.0 differs from −0.0."""
    if one.shape != other.shape or one.dtype.itemsize != other.dtype.itemsize:
        return False
    first, second = (np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in (one, other))
    return bool(np.array_equal(first, second))


def _incomparable(reason: str) -> Comparison:
    return Comparison(max_abs=float("inf"), max_rel=float("inf"), passed=False, reason=reason)
