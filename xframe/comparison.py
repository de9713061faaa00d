"""Two arrays, or two runs, held against each other. A comparison has a truth value and never hides behind a NaN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xframe.tensors import Array

FLOAT64_RTOL = 1e-9
_PIECE = 2**15  # values


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

    def __str__(self) -> str:
        return self.reason or f"max |a−b| {self.max_abs:.1e}, relative {self.max_rel:.1e}"

    def to_json(self) -> dict[str, float | None]:
        """The two figures; None stands for infinite, which JSON does not have."""
        return {"max_abs": finite_or_none(self.max_abs), "max_rel": finite_or_none(self.max_rel)}


def finite_or_none(value: float) -> float | None:
    """``value``, or None where JSON could not hold it."""
    return value if np.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class Distance:
    """What a comparison rests on: max |a − b| and max |a|, or the reason why there is no such number."""

    max_abs: float
    scale: float
    reason: str = ""

    def judged(self, tolerance: Tolerance) -> Comparison:
        """Whether it is within ``tolerance``."""
        if self.reason:
            return incomparable(self.reason)
        max_rel = self.max_abs / self.scale if self.scale else (0.0 if self.max_abs == 0 else float("inf"))
        passed = self.max_abs <= tolerance.atol + tolerance.rtol * self.scale
        return Comparison(max_abs=self.max_abs, max_rel=max_rel, passed=passed)


def compare(source: Array, target: Array, tolerance: Tolerance) -> Comparison:
    """Attributes before values: shape, then finiteness, then the largest difference in float64."""
    return distance(source, target).judged(tolerance)


def distance(source: Array, target: Array) -> Distance:
    """The largest difference of two arrays in float64, and the largest value of the first."""
    if source.shape != target.shape:
        return _apart(f"shapes differ: {list(source.shape)} against {list(target.shape)}")
    if source.size == 0:
        return _apart("there is nothing to compare: the output is empty")
    max_abs, scale = _largest(np.ascontiguousarray(source).reshape(-1), np.ascontiguousarray(target).reshape(-1))
    if not np.isfinite(max_abs + scale):
        bad = [side for side, values in (("source", source), ("target", target)) if not np.isfinite(values).all()]
        if bad:
            return _apart(f"NaN or Inf in the {' and the '.join(bad)}")
    return Distance(max_abs, scale)


def _largest(source: Array, target: Array) -> tuple[float, float]:
    """Max |a − b| and max |a| of flat arrays, NaN where either has one; in pieces that stay in the cache."""
    apart = scale = 0.0
    with np.errstate(invalid="ignore", over="ignore"):  # Inf − Inf; the caller looks for it
        for start in range(0, source.size, _PIECE):
            a = source[start : start + _PIECE].astype(np.float64, copy=False)
            difference = a - target[start : start + _PIECE]
            apart = np.maximum(apart, np.abs(difference, out=difference).max())
            scale = np.maximum(scale, np.maximum(a.max(), -a.min()))
    return float(apart), float(scale)


def _apart(reason: str) -> Distance:
    return Distance(float("inf"), float("inf"), reason)


def compare_all(source: Sequence[Array], target: Sequence[Array], tolerance: Tolerance) -> Comparison:
    """The worst of several outputs; another number of outputs never passes."""
    if len(source) != len(target) or not source:
        return incomparable(f"{len(source)} outputs against {len(target)}")
    comparisons = [compare(a, b, tolerance) for a, b in zip(source, target, strict=True)]
    return max(comparisons, key=lambda found: (not found.passed, found.max_rel))


def same_bits(one: Array, other: Array) -> bool:
    """Whether two arrays agree in shape and in every bit: NaN equals NaN, and 0.0 differs from −0.0."""
    if one.shape != other.shape or one.dtype.itemsize != other.dtype.itemsize:
        return False
    first, second = (np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in (one, other))
    return bool(np.array_equal(first, second))


def alike(one: Array, other: Array) -> tuple[Array, Array]:
    """A map of one pixel is a vector: a convolution as large as its input gives N×C×1×1, a dense layer N×C.

    Of either layout: a map of one pixel has its channels in one place or the other, and lengths of 1 elsewhere.
    """
    if one.ndim > 2 and other.ndim == 2 and one.shape[0] * max(one.shape[1:]) == one.size:
        return one.reshape(one.shape[0], -1), other
    if other.ndim > 2 and one.ndim == 2 and other.shape[0] * max(other.shape[1:]) == other.size:
        return one, other.reshape(other.shape[0], -1)
    return one, other


def incomparable(reason: str) -> Comparison:
    """A comparison that has no figures, for ``reason``."""
    return Comparison(max_abs=float("inf"), max_rel=float("inf"), passed=False, reason=reason)
