"""The comparison itself, planted with everything that ever fooled one."""

import numpy as np
import pytest

from xframe.comparison import Tolerance, alike, compare, compare_all, same_bits

EXACT = Tolerance()
ANY = Tolerance(rtol=float("inf"))


def test_equal_arrays_pass_with_figures_of_zero():
    found = compare(np.ones((2, 3)), np.ones((2, 3)), EXACT)
    assert found
    assert (found.max_abs, found.max_rel, found.reason) == (0.0, 0.0, "")


def test_a_negative_difference_fails():
    assert not compare(np.zeros(3), np.array([0.0, 5.0, 0.0]), Tolerance(atol=1.0))
    assert not compare(np.array([0.0, 5.0, 0.0]), np.zeros(3), Tolerance(atol=1.0))


def test_a_permuted_output_fails_though_its_mean_agrees():
    a = np.arange(10.0)
    assert a.mean() == a[::-1].mean()
    assert not compare(a, a[::-1], EXACT)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", ["source", "target", "both"])
def test_nan_and_inf_never_pass(bad, side):
    good, spoilt = np.ones(4), np.array([1.0, bad, 1.0, 1.0])
    pair = {"source": (spoilt, good), "target": (good, spoilt), "both": (spoilt, spoilt)}[side]
    found = compare(*pair, ANY)
    assert not found
    assert "NaN or Inf" in found.reason
    assert ("source" in found.reason) == (side != "target")


def test_shapes_are_a_difference_and_never_broadcast():
    found = compare(np.ones((5, 10)), np.ones((5, 10, 1)), ANY)
    assert not found
    assert found.reason == "shapes differ: [5, 10] against [5, 10, 1]"


def test_nothing_is_no_proof():
    assert not compare(np.ones((0, 10)), np.ones((0, 10)), ANY)
    assert not compare_all([], [], ANY)


def test_another_number_of_outputs_fails():
    assert not compare_all([np.ones(2)], [np.ones(2), np.ones(2)], ANY)


def test_the_worst_output_decides():
    found = compare_all([np.ones(2), np.ones(2)], [np.ones(2), np.full(2, 1.5)], EXACT)
    assert not found
    assert found.max_abs == 0.5


def test_an_incomparable_output_is_worse_than_any_difference():
    found = compare_all([np.ones(2), np.ones(2)], [np.ones(3), np.full(2, 9.0)], EXACT)
    assert found.reason.startswith("shapes differ")


def test_the_scale_is_the_sources_largest_value():
    assert compare(np.array([0.0, 100.0]), np.array([1e-8, 100.0]), EXACT)
    assert not compare(np.array([0.0, 1.0]), np.array([1e-8, 1.0]), EXACT)


def test_against_a_zero_source_any_difference_is_infinitely_large():
    found = compare(np.zeros(2), np.array([0.0, 1e-300]), EXACT)
    assert not found
    assert found.max_rel == float("inf")
    assert found.to_json() == {"max_abs": 1e-300, "max_rel": None}


def test_unsigned_and_half_precision_values_are_compared_as_numbers():
    assert not compare(np.array([0], np.uint8), np.array([1], np.uint8), EXACT)
    assert not compare(np.array([6e4], np.float16), np.array([-6e4], np.float16), EXACT)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (np.array([np.nan]), np.array([np.nan]), True),
        (np.array([0.0]), np.array([-0.0]), False),
        (np.zeros((2, 1)), np.zeros((1, 2)), False),
        (np.zeros(2, np.float32), np.zeros(2, np.float64), False),
        (np.arange(6).reshape(2, 3).T, np.ascontiguousarray(np.arange(6).reshape(2, 3).T), True),
        (np.zeros(0), np.zeros(0), True),
    ],
)
def test_same_bits(one, other, same):
    assert same_bits(one, other) is same


@pytest.mark.parametrize("pixel", [(2, 3, 1, 1), (2, 1, 1, 3)])
def test_a_map_of_one_pixel_is_a_vector(pixel):
    """A convolution as large as its input gives N×C×1×1, in either layout, where a dense layer gives N×C."""
    maps, vector = np.arange(6.0).reshape(pixel), np.arange(6.0).reshape(2, 3)
    for one, other in (alike(maps, vector), alike(vector, maps)):
        assert compare(one, other, Tolerance())
    assert not compare(*alike(maps + 1, vector), Tolerance())


def test_larger_maps_are_no_vector():
    maps, vector = np.zeros((2, 3, 2, 1)), np.zeros((2, 6))
    assert "shapes differ" in compare(*alike(maps, vector), Tolerance()).reason


@pytest.mark.parametrize("where", [0, 40_000, 99_999])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_inf_are_seen_wherever_they_lie(where, value):
    one, other = np.ones(100_000), np.ones(100_000)
    other[where] = value
    assert compare(one, other, Tolerance(atol=np.inf)).reason == "NaN or Inf in the target"
    assert compare(other, one, Tolerance(atol=np.inf)).reason == "NaN or Inf in the source"
    assert compare(other, other, Tolerance()).reason == "NaN or Inf in the source and the target"


@pytest.mark.parametrize("where", [0, 40_000, 99_999])
def test_the_largest_difference_is_found_wherever_it_lies(where):
    one, other = np.full(100_000, -2.0), np.full(100_000, -2.0)
    other[where] = -2.5
    found = compare(one, other, Tolerance())
    assert (found.max_abs, found.max_rel, found.passed) == (0.5, 0.25, False)


def test_arrays_of_other_layouts_and_dtypes_are_compared_by_value():
    one = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    assert compare(one, np.asfortranarray(one).astype(np.float64), Tolerance(rtol=0))
    assert not compare(one.T, one.reshape(5, 4, 3), Tolerance())
    assert compare(np.array([3, 2], np.uint8), np.array([3.0, 2.0]), Tolerance(rtol=0))
    assert compare(np.array([2, 3], np.uint8), np.array([3, 2], np.uint8), Tolerance()).max_abs == 1
