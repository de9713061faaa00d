"""How strips are made, where another way gives the same bytes more slowly: what is cut, gathered and turned."""

import math

import numpy as np
import pytest
from test_strips import numbers, same

from xframe import strips as module
from xframe import turning
from xframe.strips import LARGEST, STRIP, strips


def virtual(shape, order):
    """A transposed array of that shape whose memory is never touched."""
    return np.empty(shape, "f4").transpose(order)


@pytest.fixture
def turned(monkeypatch):
    """The strides, in the source's order, of all that numpy gathered and then turned."""
    found = []

    def turn_tiles(target, source, turn_tiles=turning._turn_tiles):
        found.append(source.strides)
        turn_tiles(target, source)

    monkeypatch.setattr(turning, "words", None)
    monkeypatch.setattr(turning, "_turn_tiles", turn_tiles)
    return found


@pytest.fixture
def releases(monkeypatch):
    found = []
    monkeypatch.setattr(module, "release", lambda array: found.append(array.shape))
    return found


def test_only_what_lies_in_another_order_and_is_larger_than_a_tile_is_turned(turned):
    assert same(numbers((600, 700))[:, ::2])
    assert same(numbers((100, 100)).T)
    assert turned == []
    assert same(numbers((600, 700)).T)
    assert turned


def test_rows_are_gathered_as_they_lie_a_cache_line_apart(turned):
    """Rows of a power of two without a gap would fall onto the same cache lines."""
    assert same(numbers((512, 512)).T)
    assert turned == [(512 * 4 + 64, 4)]


def test_a_reversed_axis_is_gathered_like_any_other(turned, releases):
    assert same(numbers((512, 512))[::-1].T)
    assert turned == [(512 * 4 + 64, 4)]
    assert releases == [(512, 512)]


def test_pages_are_let_go_while_a_block_is_gathered(monkeypatch, releases):
    monkeypatch.setattr(module, "_KEPT", 40_000)
    assert same(numbers((512, 512)).T)
    assert sum(shape != (512, 512) for shape in releases) == math.ceil(512 / (40_000 // (4 * 512)))


@pytest.mark.parametrize(("shape", "itemsize"), [((1001, 903), 4), ((7, 100_001), 16), ((131_073,), 1), ((5, 5), 8)])
def test_tiles_fit_and_are_no_more_than_halving_makes(shape, itemsize):
    tiles = turning._tiles.__wrapped__(shape, itemsize)
    sizes = [math.prod(cut.stop - cut.start for cut in tile) * itemsize for tile in tiles]
    assert max(sizes) <= turning._TILE
    halvings = max(0, math.ceil(math.log2(math.prod(shape) * itemsize / turning._TILE)))
    assert len(tiles) <= 2 ** (halvings + (len(shape) > 1))


@pytest.mark.parametrize(
    ("shape", "strides", "wanted"),
    [
        ((3, 1, 4), (16, 999, 4), ((12,), (4,))),
        ((1, 3, 4), (0, 16, 4), ((12,), (4,))),
        ((3, 4), (-16, -4), ((12,), (-4,))),
        ((3, 4), (16, -4), ((3, 4), (16, -4))),
        ((3, 4), (0, 0), ((12,), (0,))),
        ((3, 4), (4, 0), ((3, 4), (4, 0))),
        ((3, 4), (12, 4), ((3, 4), (12, 4))),
        ((1, 1), (8, 8), ((1,), (4,))),
    ],
)
def test_axes_are_joined_where_one_goes_on_where_the_other_ends(shape, strides, wanted):
    room = np.zeros(100, "f4")[50:]
    found = module._coalesced(np.lib.stride_tricks.as_strided(room, shape, strides))
    assert (found.shape, found.strides) == wanted


def test_strips_are_cut_in_runs_along_the_axis_that_is_fastest_in_the_source():
    assert module._cut(virtual((10_000, 10_000), (1, 0))) == (0, 64)
    assert module._cut(virtual((10_000, 10_000), (1, 0))[::-1]) == (0, 64)
    assert module._cut(virtual((10_000, 10_000), (1, 0))[:, ::-1]) == (0, 64)


def test_an_axis_whose_one_index_leaves_no_room_for_a_run_is_not_cut_along():
    axis, rows = module._cut(virtual((2_500_000, 2), (1, 0)))
    assert LARGEST < 2 * 4 * 2_500_000 <= 2 * LARGEST
    assert (axis, rows) == (1, STRIP // 4)


def test_an_axis_that_repeats_is_not_the_fastest():
    repeated = np.broadcast_to(virtual((2000, 3000), (1, 0))[:, None], (3000, 500, 2000))
    assert module._cut(repeated) == (0, LARGEST // (4 * 500 * 2000))
    assert module._cut(np.broadcast_to(virtual((600, 300), (1, 0)), (4, 300, 600))) == (0, STRIP // (4 * 300 * 600))


def test_room_begins_with_a_huge_page(monkeypatch):
    monkeypatch.setattr(module, "_rooms", [])
    assert sum(strip.nbytes for strip in strips(numbers((600, 700)).T)) == 600 * 700 * 4
    assert module._rooms[0].ctypes.data % 2**21 == 0
