"""A layer's output in nine numbers, which show another output up although they do not hold it.

Frameworks agree to some 1e-13 and not to the bit, so no digest of an output can be compared. Its sketch can: the
Euclidean norm of the output a, and its inner products with eight fixed random vectors, s = R a. All of it is float64.

Every element of R is drawn by itself, evenly from −√3 to √3: mean 0, variance 1. A fault d moves the sketch by R d,
eight numbers of variance ‖d‖² each. With the tolerance r a sketch agrees where none of its numbers moves by more than
r ‖a‖, so a fault of the relative size e = ‖d‖ / ‖a‖ goes unseen only where all eight are below r / e of their
deviation. The density of such a sum is nowhere above √(1/6) of its inverse deviation, for that is what a hyperplane can
cut out of a cube (K. Ball, "Cube slicing in Rⁿ", Proc. AMS 97, 1986). So each is that small with a probability of
√(2/3) r / e at most, and all of them with (0.82 r / e)⁸: 2e-9 for a fault of ten times the tolerance, 2e-17 for one of
a hundred times. That holds whatever the fault looks like, two values that changed places too, for R was drawn without
knowledge of it.

What a sketch cannot do is look at one element by itself. A fault in a single element is measured against the whole
output: √n of its typical values, where n is their number, and not the largest of them.
"""

from __future__ import annotations

import math

import numpy as np

from xframe.comparison import Comparison, Distance, Tolerance, incomparable
from xframe.strips import strips
from xframe.tensors import Array

PROJECTIONS = 8
LENGTH = 1 + PROJECTIONS
_SEED = 20260
_HALF = 2**15  # an element of R is one of 2 · 2¹⁵ numbers, evenly spaced, none of them 0


def sketch(array: Array) -> Array:
    """The norm and eight projections of ``array``, of any shape, taken in C order; float64, shape (9,)."""
    generator = np.random.PCG64(_SEED)
    squares, projected = 0.0, np.zeros(PROJECTIONS)
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # NaN and Inf stay what they are: whoever compares looks for them
        for strip in strips(array):
            values = strip.astype(np.float64, copy=False)
            squares += float(values @ values)
            projected += values @ _rows(generator, values.size)
    return np.array([math.sqrt(squares), *projected])


def _rows(generator: np.random.PCG64, count: int) -> Array:
    """The next rows of R transposed, (count, 8). The raw stream of PCG64 is the same in every version (NEP 19)."""
    raw = generator.random_raw(count * PROJECTIONS // 4).astype("<u8")  # four numbers of 16 bits in each
    rows: Array = (raw.view("<i2").reshape(count, PROJECTIONS) + 0.5) * (math.sqrt(3) / _HALF)
    return rows


def compare_sketches(recorded: Array, found: Array, count: int, tolerance: Tolerance) -> Comparison:
    """Two sketches of ``count`` elements held against each other, in units of the recorded norm.

    ``tolerance`` is that of an element: its absolute part grows with √count, as a norm does.
    """
    bad = [end for end, values in (("golden", recorded), ("model", found)) if not np.isfinite(values).all()]
    if bad:
        return incomparable(f"NaN or Inf in the {' and the '.join(bad)}")
    apart = Distance(float(np.abs(recorded - found).max()), float(recorded[0]))
    return apart.judged(Tolerance(atol=tolerance.atol * math.sqrt(count), rtol=tolerance.rtol))
