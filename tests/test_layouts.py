"""Rearrangements: exact, invertible, and the same as einops' own wherever both speak."""

import einops
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xframe.errors import LayoutError
from xframe.layouts import AxisPattern, Rearrangement

AXES = ("a", "b", "c", "d")


@st.composite
def patterns(draw):
    """Two patterns over the same axes, with joined axes and dimensions of length one, and sizes."""
    axes = AXES[: draw(st.integers(1, 4))]
    sizes = {axis: draw(st.integers(1, 4)) for axis in axes}
    return sizes, draw(pattern_over(axes)), draw(pattern_over(axes))


@st.composite
def pattern_over(draw, axes):
    order = draw(st.permutations(axes))
    groups = []
    while order:
        count = draw(st.integers(1, len(order)))
        taken, order = order[:count], order[count:]
        groups.append(taken[0] if count == 1 else f"({' '.join(taken)})")
        groups.extend(["1"] * draw(st.integers(0, 1)))
    return " ".join(groups)


@given(patterns())
def test_agrees_with_einops_and_inverts_to_the_bit(drawn):
    sizes, source, target = drawn
    rearrangement = Rearrangement.between(source, target, sizes)
    array = np.random.default_rng(0).standard_normal(AxisPattern.parse(source).shape(sizes)).astype(np.float32)
    moved = rearrangement.apply(array)
    expected = einops.rearrange(array, f"{source} -> {target}", **sizes)
    assert moved.shape == expected.shape
    assert np.array_equal(moved, expected)
    assert moved.flags.c_contiguous
    back = rearrangement.inverse.apply(moved)
    assert back.tobytes() == array.tobytes()
    assert back.shape == array.shape


def test_flatten_order_differs_from_a_plain_transpose():
    flatten = Rearrangement.between("(c h w) out", "(h w c) out", {"c": 2, "h": 3, "w": 3})
    array = np.arange(18 * 4).reshape(18, 4)
    assert not np.array_equal(flatten.apply(array), array)
    assert np.array_equal(flatten.apply(array)[:2], array[[0, 9]])  # the first place, both channels


def test_a_scalar_has_the_empty_pattern():
    assert Rearrangement.between("", "", {}).apply(np.array(3)).shape == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("out (c h", "never closed"),
        ("out c)", "without axes"),
        ("((a) b)", "parentheses inside"),
        ("a a", "named twice"),
        ("(1 a)", "'1' is joined"),
        ("a-b", "unexpected"),
        ("()", "without axes"),
    ],
)
def test_a_bad_pattern_is_repeated_with_the_reason(text, reason):
    with pytest.raises(LayoutError, match=reason) as caught:
        AxisPattern.parse(text)
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "shape", "sizes", "reason"),
    [
        ("out in", (3,), {}, "1 dimensions"),
        ("out in", (3, 4), {"in": 5}, "should be 5, found 4"),
        ("out 1", (3, 2), {}, "should be 1, found 2"),
        ("(c h w) out", (18, 4), {"c": 2}, "not known"),
        ("(c h) out", (7, 4), {"c": 2}, "should be 2, found 7"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(pattern, shape, sizes, reason):
    with pytest.raises(LayoutError, match=reason):
        AxisPattern.parse(pattern).bind(shape, sizes)


def test_nothing_is_reshaped_because_the_counts_agree():
    with pytest.raises(LayoutError, match="should be 3, found 2"):
        Rearrangement.between("out in", "in out", {"out": 3, "in": 2}).apply(np.zeros((2, 3)))


def test_patterns_over_other_axes_are_no_rearrangement():
    with pytest.raises(LayoutError, match="same axes"):
        Rearrangement.between("out in", "out kh", {})
