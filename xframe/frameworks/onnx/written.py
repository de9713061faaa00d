"""float32 numbers as somebody wrote them, in float64."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from xframe.tensors import Array

_DENOMINATORS = 100


def as_written(values: Array) -> Array:
    """float32 numbers as somebody wrote them, in float64: see ``written``."""
    convert: Callable[[Any], Array] = np.vectorize(written, otypes=[np.float64])
    return convert(values)


def written(value: Any) -> float:
    """The simple fraction that rounds to a float32 number, 1/6 for 0.16666667, else the shortest decimal that does."""
    single = np.float32(value)
    if not np.isfinite(single):
        return float(single)
    simple = Fraction(float(single)).limit_denominator(_DENOMINATORS)
    return float(simple) if np.float32(float(simple)) == single else float(str(single))
