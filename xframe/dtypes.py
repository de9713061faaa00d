"""Conversion between dtypes, on purpose only, with an account of what it cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from xframe.errors import UsageError
from xframe.tensors import FLOATS, STORAGE, Array

# The bits of the exponent: all are set in NaN and infinity, and to look at them is quicker than to have numbers made.
_EXPONENTS = {"float16": np.uint16(0x7C00), "bfloat16": np.uint16(0x7F80)}
_SUMMED = ("float32", "float64")  # which processors are quickest to sum


@dataclass(frozen=True, slots=True)
class Loss:
    """How many values a conversion changed: ``overflowed`` to infinity, ``rounded`` to a neighbour."""

    overflowed: int = 0
    rounded: int = 0

    def __add__(self, other: Loss) -> Loss:
        return Loss(self.overflowed + other.overflowed, self.rounded + other.rounded)

    def __sub__(self, other: Loss) -> Loss:
        return Loss(self.overflowed - other.overflowed, self.rounded - other.rounded)

    def to_json(self) -> dict[str, int]:
        return {"overflowed": self.overflowed, "rounded": self.rounded}


def check_float(dtype: str) -> None:
    """Raise UsageError unless ``dtype`` names a floating-point dtype that weights can be converted to."""
    if dtype not in FLOATS:
        raise UsageError(f"Unknown dtype '{dtype}' for weights. Known: {', '.join(FLOATS)}.")


def as_numbers(stored: Array, dtype: str) -> Array:
    """Stored bits as numbers: bfloat16 and float8 through ml_dtypes, all others as they are."""
    if STORAGE[dtype].name == dtype:
        return stored
    return stored.view(_named(dtype))


def is_finite(stored: Array, dtype: str) -> bool:
    """Whether no value is NaN or infinite."""
    if dtype in _EXPONENTS:
        exponent = _EXPONENTS[dtype]
        return not ((stored.view(np.uint16) & exponent) == exponent).any()
    if dtype in _SUMMED and math.isfinite(np.einsum(stored, list(range(stored.ndim)), [])):
        return True  # a sum with NaN or infinity in it is one of them; one without may still become infinite
    return dtype not in FLOATS or bool(np.isfinite(as_numbers(stored, dtype)).all())


def convert(stored: Array, source: str, target: str) -> tuple[Array, Loss]:
    """``stored`` bits of dtype ``source`` as bits of dtype ``target``, rounded to nearest, and what was lost."""
    if source == target:
        return stored, Loss()
    numbers = as_numbers(stored, source)
    with np.errstate(over="ignore", invalid="ignore"):
        converted = numbers.astype(_named(target))
        back = converted.astype(np.float64)
        exact = numbers.astype(np.float64)
    overflowed = np.isinf(back) & np.isfinite(exact)
    rounded = (back != exact) & ~overflowed & ~np.isnan(exact)
    return converted.view(STORAGE[target]), Loss(int(overflowed.sum()), int(rounded.sum()))


def _named(dtype: str) -> np.dtype[np.generic]:
    if STORAGE[dtype].name == dtype:
        return STORAGE[dtype]
    import ml_dtypes  # noqa: PLC0415 - 20 ms that only these dtypes need

    named: np.dtype[np.generic] = np.dtype(getattr(ml_dtypes, dtype))
    return named
