"""What a sketch sees of a fault, and what it is indifferent to."""

import numpy as np
import pytest

from xframe.comparison import FLOAT64_RTOL, Tolerance
from xframe.testing.sketch import LENGTH, compare_sketches, sketch

USUAL = Tolerance()


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def held(one, other, tolerance=USUAL):
    return compare_sketches(sketch(one), sketch(other), one.size, tolerance)


def apart(values, relative, seed):
    """``values`` and a fault of that relative size, spread over all of them."""
    fault = drawn(*values.shape, seed=seed)
    return values + fault * (relative * np.linalg.norm(values) / np.linalg.norm(fault))


def test_norm_and_projections():
    values = drawn(2, 3, 5, 7)
    found = sketch(values)
    assert (found.shape, found.dtype) == ((LENGTH,), np.float64)
    assert found[0] == pytest.approx(np.linalg.norm(values))
    assert held(values, values).max_abs == 0


def test_it_is_linear_and_the_same_whatever_the_strides():
    """Nor does it depend on how an array is cut into strips: 200,000 values are more than one."""
    one, other = drawn(200_000, seed=1), drawn(200_000, seed=2)
    assert np.allclose(sketch(one)[1:] + sketch(other)[1:], sketch(one + other)[1:], rtol=0, atol=1e-9)
    turned = np.ascontiguousarray(one.reshape(2, 100, 1000).transpose(0, 2, 1)).transpose(0, 2, 1)
    assert not turned.flags.c_contiguous
    assert np.allclose(sketch(turned), sketch(one), rtol=1e-12)


def test_projections_have_the_norm_as_their_deviation():
    values = drawn(500)
    seen = np.array([sketch(np.roll(values, shift))[1:] for shift in range(500)]) / np.linalg.norm(values)
    assert seen.std() == pytest.approx(1, abs=0.05)
    assert abs(seen.mean()) < 0.05


def test_rounding_is_let_pass():
    """A sum in another order, and in another precision than the double that decides."""
    values = drawn(100_000)
    assert held(values, values * (1 + 1e-13 * drawn(100_000, seed=3)))


@pytest.mark.parametrize("seed", range(200))
def test_ten_times_the_tolerance_is_seen(seed):
    values = drawn(2, 8, 9, 9)
    assert not held(values, apart(values, 10 * FLOAT64_RTOL, seed))


def test_two_values_in_each_others_place():
    """Signs instead of numbers would lose half of such faults at every projection."""
    values = drawn(64)
    for one in range(0, 64, 2):
        swapped = values.copy()
        swapped[[one, one + 1]] = swapped[[one + 1, one]]
        assert not held(values, swapped)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_no_number_is_never_equal(bad):
    values = drawn(10)
    broken = values.copy()
    broken[3] = bad
    assert held(values, broken).reason == "NaN or Inf in the model"
    assert held(broken, broken).reason == "NaN or Inf in the golden and the model"


def test_tolerances():
    values = drawn(400)
    other = apart(values, 1e-6, 5)
    assert not held(values, other)
    assert held(values, other, Tolerance(rtol=1e-5))
    assert held(values, other, Tolerance(rtol=0, atol=1e-5))
    assert not held(np.zeros(4), np.full(4, 1e-300))
    assert held(np.zeros(4), np.zeros(4))
