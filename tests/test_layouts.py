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
        ("gate[i] out", "two blocks or more"),
        ("gate[] out", "two blocks or more"),
        ("gate[i i] out", "two blocks or more"),
        ("gate[i f-g] out", "two blocks or more"),
        ("1[i f] out", "blocks belong to an axis"),
        ("(a b)[i f]", "blocks belong to an axis"),
        ("gate[i f", "unexpected"),
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


# ── blocks ────────────────────────────────────────────────────────────────────────────────────────────────────────────

BLOCKS = {"a": ("i", "f", "g", "o"), "b": ("r", "z", "n"), "c": ("x", "y")}


@st.composite
def blocked(draw):
    """Two patterns over the same axes whose blocks come in any order; the order of each, by axis, on either side."""
    sizes, *texts = draw(patterns())
    cut = [axis for axis in sizes if axis in BLOCKS and draw(st.booleans())]
    orders = [{axis: draw(st.permutations(BLOCKS[axis])) for axis in cut} for _ in texts]
    written = [
        " ".join(named(token, order) for token in text.replace("(", "( ").replace(")", " )").split())
        for text, order in zip(texts, orders, strict=True)
    ]
    return {**sizes, **{axis: len(BLOCKS[axis]) for axis in cut}}, texts, written, orders


def named(token, order):
    return f"{token}[{' '.join(order[token])}]" if token in order else token


@given(blocked())
def test_blocks_agree_with_einops_and_numpy_and_invert_to_the_bit(drawn):
    """einops moves the axes, np.take their blocks."""
    sizes, (source, target), written, (before, after) = drawn
    array = np.random.default_rng(0).standard_normal(AxisPattern.parse(source).shape(sizes)).astype(np.float32)
    rearrangement = Rearrangement.between(*written, {axis: n for axis, n in sizes.items() if axis not in before})
    moved = rearrangement.apply(array)
    axes = " ".join(sizes)
    expected = einops.rearrange(array, f"{source} -> {axes}", **sizes)
    for axis in before:
        taken = [before[axis].index(word) for word in after[axis]]
        expected = np.take(expected, taken, list(sizes).index(axis))
    expected = einops.rearrange(expected, f"{axes} -> {target}", **sizes)
    assert moved.shape == expected.shape
    assert np.array_equal(moved, expected)
    assert rearrangement.inverse.apply(moved).tobytes() == array.tobytes()
    assert rearrangement.is_identity == (
        AxisPattern.parse(source).groups == AxisPattern.parse(target).groups and before == after
    )


def test_gates_of_a_gru_change_places():
    gates = Rearrangement.between("(gate[r z n] out) in", "in (gate[z r n] out)", {"out": 2, "in": 1})
    assert gates.apply(np.array([[0], [1], [10], [11], [20], [21]])).tolist() == [[10, 11, 0, 1, 20, 21]]
    assert gates.text == "(gate[r z n] out) in -> in (gate[z r n] out)"


QKV = AxisPattern.parse("(part[q k v] heads key) in")


@pytest.mark.parametrize(("word", "index"), [("q", 0), ("k", 1), ("v", 2)])
def test_one_block_is_a_tensor_of_its_own_elsewhere(word, index):
    fused = np.arange(3 * 4 * 5).reshape(12, 5)
    alone = Rearrangement(QKV, AxisPattern.parse("in heads key"), {"heads": 2}, taken={"part": word})
    assert np.array_equal(alone.apply(fused), fused[4 * index : 4 * index + 4].T.reshape(5, 2, 2))
    assert alone.text == f"(part[q k v] heads key) in -> in heads key at {word}"
    back = alone.inverse
    assert back.put == {"part": word}
    assert np.array_equal(back.apply(alone.apply(fused)), fused[4 * index : 4 * index + 4])
    ((place, _),) = back.tiles(alone.apply(fused))
    assert place == (index, slice(None), slice(None), slice(None))


def test_tiles_of_an_array_are_views_of_it():
    array = np.arange(24.0).reshape(6, 4)
    tiles = Rearrangement.between("(gate[r z n] out) in", "in (gate[z r n] out)", {}).tiles(array)
    assert [place for place, _ in tiles] == [(slice(None), index, slice(None)) for index in range(3)]
    assert all(np.shares_memory(tile, array) for _, tile in tiles)


@pytest.mark.parametrize(
    ("source", "target", "words", "reason"),
    [
        ("(gate[r z n] out)", "(gate[r z] out)", {}, "same blocks"),
        ("(gate[r z n] out)", "(gate out)", {}, "same blocks"),
        ("(gate[r z n] out)", "out", {}, "same axes"),
        ("(gate[r z n] out)", "out", {"gate": "h"}, "no block 'h' along 'gate'"),
        ("(gate[r z n] out)", "(gate[r z n] out)", {"gate": "r"}, "same axes"),
    ],
)
def test_patterns_over_other_blocks_are_no_rearrangement(source, target, words, reason):
    with pytest.raises(LayoutError, match=reason):
        Rearrangement(AxisPattern.parse(source), AxisPattern.parse(target), {}, taken=words)


def test_blocks_count_for_the_shape():
    assert QKV.shape({"heads": 2, "key": 3, "in": 4}) == (18, 4)
    assert QKV.bind((18, 4), {"heads": 2}) == {"part": 3, "heads": 2, "key": 3, "in": 4}
    with pytest.raises(LayoutError, match="should be 6, found 16"):
        QKV.bind((16, 4), {"heads": 2})
    assert QKV.without(["part"]).shape({"heads": 2, "key": 3, "in": 4}) == (6, 4)
    assert AxisPattern.parse("side[ih hh] (gate[r z n] out) 1").without(["side"]).groups == (("gate", "out"), ())
