"""Turned arrays are the same bytes, whoever turned them: the compiled code or numpy."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xframe import turning
from xframe.turning import turn

SHAPES = [(700, 300), (259, 131), (128, 64), (16, 16), (17, 1000), (64, 33), (1, 40), (40, 1), (0, 9)]
ROOM = np.empty(0, np.uint8)  # too small: more is made


def random_bits(shape, dtype, seed=0):
    """Every pattern of bits, NaNs that carry a payload among them."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8).view(dtype).reshape(shape)


def guarded(shape, order, dtype):
    """A target in another order, its axes in the source's, with a margin that nobody may write to; and all of it."""
    room = np.zeros([length + 2 for length in (shape[axis] for axis in order)], dtype)
    inside = room[(slice(1, -1),) * len(shape)]
    return inside.transpose(np.argsort(order)), room


@pytest.fixture(params=["compiled", "numpy"])
def way(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(turning, "words", None)
    return request.param


def test_it_was_compiled_here():
    """Where there is a C compiler, as on every machine that tests xframe, nobody goes without."""
    assert turning.words is not None


@pytest.mark.parametrize("dtype", ["u1", "i2", "f2", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_plane(way, shape, dtype):
    source = random_bits(shape, dtype)
    target, room = guarded(shape, (1, 0), dtype)
    turn(target, source, ROOM)
    wanted, around = guarded(shape, (1, 0), dtype)
    wanted[...] = source
    assert room.tobytes() == around.tobytes()


ORDERS = [order for rank in (2, 3, 4) for order in itertools.permutations(range(rank)) if order[-1] != rank - 1]


@pytest.mark.parametrize("dtype", ["u2", "f4", "f8"])
@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_planes_among_other_axes(order, dtype):
    """No two sides are alike and none is short: compiled code takes all of these, whichever axes lie outside."""
    source = random_bits((17, 18, 21, 35)[-len(order) :], dtype)
    target, room = guarded(source.shape, order, dtype)
    assert turning.words.turn(target, source)
    wanted, around = guarded(source.shape, order, dtype)
    wanted[...] = source
    assert room.tobytes() == around.tobytes()


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_axes(data):
    """Three to five axes in any order, views with steps, sources that are not aligned to their words."""
    rank = data.draw(st.integers(2, 5))
    shape = data.draw(st.lists(st.integers(1, [70, 30, 20, 18][rank - 2]), min_size=rank, max_size=rank).map(tuple))
    dtype = data.draw(st.sampled_from(["u2", "f4", "f8", "u1"]))
    order = data.draw(st.permutations(range(rank)))
    size = math.prod(shape) * np.dtype(dtype).itemsize
    shifted = random_bits((size + 1,), "u1", seed=data.draw(st.integers(0, 9)))[1:].view(dtype).reshape(shape)
    source = shifted[tuple(slice(None, None, data.draw(st.sampled_from([1, 1, 1, 2, -1]))) for _ in shape)]
    target, room = guarded(source.shape, order, dtype)
    turn(target, source, ROOM)
    wanted, around = guarded(source.shape, order, dtype)
    wanted[...] = source
    assert room.tobytes() == around.tobytes()


def test_compiled_code_turns_planes_and_leaves_the_rest():
    words = turning.words
    source = random_bits((64, 48), "f4")
    assert words.turn(np.empty((48, 64), "f4").T, source)
    assert not words.turn(np.empty((64, 48), "f4"), source)  # nothing to turn
    assert not words.turn(np.empty((15, 64), "f4").T, source[:, :15])  # too narrow to be worth it
    assert not words.turn(np.empty((48, 64), "f4").T, source[:, ::-1])  # no run to read
    assert not words.turn(np.empty((48, 64), "u1").T, source.view("u1")[:, ::4])
    assert not words.turn(np.empty(3, "f4"), source[0, :3])


def test_compiled_code_refuses_what_does_not_belong_together():
    words = turning.words
    source = np.zeros((64, 48), "f4")
    for target in (np.empty((64, 47), "f4"), np.empty((64, 48), "f8"), np.empty((64, 48, 1), "f4")):
        with pytest.raises(ValueError, match="expected two arrays of one shape and one size of elements"):
            words.turn(target, source)
    frozen = np.zeros((48, 64), "f4").T
    frozen.flags.writeable = False
    with pytest.raises((BufferError, ValueError)):
        words.turn(frozen, source)
    with pytest.raises(TypeError):
        words.turn(source)
