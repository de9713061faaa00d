"""Arrays of any strides as strips: pieces of their C order, each rearranged within the processor's cache.

numpy copies a transposed array in the target's order, so that every element of a large one costs a cache line.
Here a strip of the target, small enough for the cache, is gathered in the source's own order first, in long runs, and
turned round there, tile by tile. No strip is larger than ``LARGEST``, so memory does not grow with the array.
"""

from __future__ import annotations

import itertools
import math
import mmap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from xframe.tensors import Array, release

STRIP = 2**20  # bytes: half a core's second-level cache
LARGEST = 2**24
_CONTIGUOUS = 2**22
_TILE = 2**17
_RUN = 64  # elements of the source that are read in one go, if LARGEST allows it
_PADDING = 64  # bytes between gathered rows: strides of a power of two would fall onto the same cache lines
_HUGE = 2**21
_KEPT = 2**26  # an array larger than this lets go of its pages strip by strip, a smaller one at its end
_rooms: list[Array] = []  # memory to work in that nobody works in
Place = tuple[int | slice, ...]  # one for each axis: a number, or all of it
Strips = Callable[[Array], Iterator[Array]]  # the elements of a view in C order, as ``strips`` or more than that


def strips(array: Array) -> Iterator[Array]:
    """The elements of ``array`` in C order, as flat arrays. Each is good until the next is asked for.

    Pages of a mapped file that were touched on the way are given back.
    """
    if array.size == 0:
        return
    for strip in _strips(_coalesced(array)):
        yield strip
        if array.nbytes > _KEPT:
            release(array)
    release(array)


def mosaic(shape: Sequence[int], dtype: np.dtype[Any], tiles: Sequence[tuple[Place, Array, Strips]]) -> Iterator[Array]:
    """The elements of an array that is made of ``tiles``, in C order, as flat arrays of ``dtype``.

    A tile is its place in ``shape``, its view, and what makes strips of any part of the view. All tiles are cut along
    the same axes and cover the array once. Tiles that follow each other go by one by one, others are put together in
    pieces of ``LARGEST`` bytes.
    """
    if _follow_each_other([place for place, _, _ in tiles]):
        for _, view, stripped in sorted(tiles, key=lambda tile: _start(tile[0])):
            yield from stripped(view)
        return
    for box in _boxes(shape, dtype.itemsize):
        room = np.empty([len(span) for span in box], dtype)
        for place, view, stripped in tiles:
            _lay(room, box, place, view, stripped)
        yield room.reshape(-1)


def _start(place: Place) -> list[int]:
    return [index for index in place if isinstance(index, int)]


def _follow_each_other(places: Sequence[Place]) -> bool:
    """Whether each tile is whole in C order: nothing but leading axes is cut."""
    cut = {axis for place in places for axis, index in enumerate(place) if isinstance(index, int)}
    return cut == set(range(len(cut)))


def _boxes(shape: Sequence[int], itemsize: int) -> Iterator[list[range]]:
    """The ranges of indices, one for each axis, of pieces that are whole in C order and at most ``LARGEST`` bytes."""
    inner = [math.prod(shape[axis + 1 :]) * itemsize for axis in range(len(shape))]
    axis = next(axis for axis in range(len(shape)) if inner[axis] <= LARGEST)
    rows = max(1, LARGEST // max(1, inner[axis]))
    for index in itertools.product(*map(range, shape[:axis])):
        for start in range(0, shape[axis], rows):
            rest = [range(length) for length in shape[axis + 1 :]]
            yield [*(range(i, i + 1) for i in index), range(start, min(start + rows, shape[axis])), *rest]


def _lay(room: Array, box: Sequence[range], place: Place, view: Array, stripped: Strips) -> None:
    """Puts what lies in the box of a tile into the room of that box."""
    if not all(isinstance(index, slice) or index in span for index, span in zip(place, box, strict=True)):
        return
    whole = [span for index, span in zip(place, box, strict=True) if isinstance(index, slice)]
    part = view[tuple(slice(span.start, span.stop) for span in whole)]
    flat, filled = np.empty(part.size, room.dtype), 0
    for strip in stripped(part):
        flat[filled : filled + len(strip)] = strip
        filled += len(strip)
    at = (index if isinstance(index, slice) else index - span.start for index, span in zip(place, box, strict=True))
    room[tuple(at)] = flat.reshape(part.shape)


def _strips(view: Array) -> Iterator[Array]:
    if view.ndim == 1 and view.strides[0] == view.itemsize:
        step = _CONTIGUOUS // view.itemsize
        yield from (view[start : start + step] for start in range(0, len(view), step))
        return
    axis, rows = _cut(view)
    with _room(2 * LARGEST) as room:
        space = _Space(view, rows * math.prod(view.shape[axis + 1 :]), room)
        for index in itertools.product(*map(range, view.shape[:axis])):
            block = view[index]
            for start in range(0, view.shape[axis], rows):
                yield space.filled(block[start : start + rows])


@contextmanager
def _room(nbytes: int) -> Iterator[Array]:
    """Memory to work in, on huge pages where the system has them: strides through it cost no page table walks.

    It is kept for the next array, and is only real where it is touched.
    """
    try:
        room = _rooms.pop()
    except IndexError:
        memory = mmap.mmap(-1, nbytes + _HUGE)
        memory.madvise(mmap.MADV_HUGEPAGE)
        whole = np.frombuffer(memory, np.uint8)
        room = whole[-whole.ctypes.data % _HUGE :][:nbytes]
    try:
        yield room
    finally:
        _rooms.append(room)


def _coalesced(array: Array) -> Array:
    """The same elements in the same order along as few axes as their strides allow, at least one."""
    shape, strides = [1], [array.itemsize]
    for length, stride in zip(array.shape, array.strides, strict=True):
        if length == 1:
            continue
        if shape[-1] == 1:
            shape[-1], strides[-1] = length, stride
        elif strides[-1] == stride * length:
            shape[-1], strides[-1] = shape[-1] * length, stride
        else:
            shape.append(length)
            strides.append(stride)
    return np.lib.stride_tricks.as_strided(array, shape, strides, writeable=False)


def _cut(view: Array) -> tuple[int, int]:
    """The axis that strips are cut along, and how many of its indices make a strip.

    The axis that runs fastest in the source is not cut shorter than a run, for a run is what a cache line holds.
    """
    inner = [math.prod(view.shape[axis + 1 :]) * view.itemsize for axis in range(view.ndim)]
    axis = next(axis for axis in range(view.ndim) if inner[axis] <= STRIP)
    fast = min(range(view.ndim), key=lambda index: abs(view.strides[index]) or math.inf)
    if fast <= axis and 2 * inner[fast] <= LARGEST:
        return fast, min(view.shape[fast], max(STRIP // inner[fast], min(_RUN, LARGEST // inner[fast])))
    return axis, min(view.shape[axis], max(1, STRIP // inner[axis]))


class _Space:
    """Room for one strip, and for the same elements in the source's order."""

    def __init__(self, view: Array, numel: int, room: Array) -> None:
        self._strip, rest = np.split(room, [numel * view.itemsize])
        self._strip = self._strip.view(view.dtype)
        self._order = sorted(range(view.ndim), key=lambda axis: -abs(view.strides[axis]))
        self._dropped = view.ndim  # axes that an index takes away come first
        self._padding = _PADDING // view.itemsize
        self._rest = rest

    def filled(self, block: Array) -> Array:
        """``block`` as a flat strip."""
        strip = self._strip[: block.size]
        target = strip.reshape(block.shape)
        dropped = self._dropped - block.ndim
        order = [axis - dropped for axis in self._order if axis >= dropped]
        if block.nbytes <= _TILE or order == sorted(order):
            np.copyto(target, block)
        else:
            _turn(target, self._in_source_order(block.transpose(order)).transpose(np.argsort(order)))
        return strip

    def _in_source_order(self, block: Array) -> Array:
        *outer, last = block.shape
        padded = last + self._padding
        rows = math.prod(outer)
        nbytes = rows * padded * block.itemsize
        space = self._rest[:nbytes] if nbytes <= len(self._rest) else np.empty(nbytes, np.uint8)
        gathered = space.view(block.dtype).reshape(*outer, padded)[..., :last]
        step = max(1, _KEPT // abs(block.strides[0] or 1))
        for start in range(0, len(block), step):
            np.copyto(gathered[start : start + step], block[start : start + step])
            if step < len(block):
                release(block[start : start + step])
        return gathered


def _turn(target: Array, source: Array) -> None:
    """Copies tile by tile, each of which fits the first-level cache."""
    for tile in _tiles(target.shape, target.itemsize):
        np.copyto(target[tile], source[tile])


@lru_cache(maxsize=64)
def _tiles(shape: tuple[int, ...], itemsize: int) -> list[tuple[slice, ...]]:
    """What an array of that shape is cut into: the longest axis is halved until a tile has ``_TILE`` bytes or less."""
    lengths = list(shape)
    while math.prod(lengths) * itemsize > _TILE:
        longest = lengths.index(max(lengths))
        lengths[longest] = -(-lengths[longest] // 2)
    cuts = [
        [slice(start, start + step) for start in range(0, length, step)]
        for length, step in zip(shape, lengths, strict=True)
    ]
    return list(itertools.product(*cuts))
