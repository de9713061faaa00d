"""Arrays of any strides as strips: pieces of their C order, each rearranged within the processor's cache.

numpy copies a transposed array in the target's order, so that every element of a large one costs a cache line.
Here a strip of the target, small enough for the cache, is filled in long runs of the source: see ``turning``. No strip
is larger than ``LARGEST``, so memory does not grow with the array.
"""

from __future__ import annotations

import itertools
import math
import mmap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from xframe.tensors import Array, release
from xframe.turning import turn

STRIP = 2**21  # bytes: turned, summed and written while they are in the cache
LARGEST = 2**24
_CONTIGUOUS = 2**22
_RUN = 64  # elements of the source that are read in one go, if LARGEST allows it
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
        space = _Space((rows, *view.shape[axis + 1 :]), view.strides[axis:], view.dtype, room)
        for index in itertools.product(*map(range, view.shape[:axis])):
            yield from space.strips(view[index])


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
    """Room for one strip of a shape, and for what turning it takes. The strides are the source's."""

    def __init__(self, shape: tuple[int, ...], strides: Sequence[int], dtype: np.dtype[Any], room: Array) -> None:
        self._shape = shape
        self._order = sorted(range(len(shape)), key=lambda axis: -abs(strides[axis]))
        self._is_straight = self._order == sorted(self._order)
        self._step = max(1, _KEPT // (abs(strides[self._order[0]]) or 1))
        strip, self._rest = np.split(room, [math.prod(shape) * dtype.itemsize])
        self._strip = strip.view(dtype)

    def strips(self, block: Array) -> Iterator[Array]:
        """The elements of ``block``, as many rows at a time as a strip has."""
        rows, before = self._shape[0], (slice(None),) * self._order.index(0)
        source = block.transpose(self._order)
        strip, target = self._strip_of(rows)
        for start in range(0, len(block), rows):
            if start + rows > len(block):
                strip, target = self._strip_of(len(block) - start)
            self._fill(target, source[(*before, slice(start, start + rows))])
            yield strip

    def _strip_of(self, rows: int) -> tuple[Array, Array]:
        """A flat strip, and the same with its axes in the source's order."""
        shape = (rows, *self._shape[1:])
        strip = self._strip[: math.prod(shape)]
        return strip, strip.reshape(shape).transpose(self._order)

    def _fill(self, target: Array, source: Array) -> None:
        """What a step along the source's slowest axis has touched is given back before the next."""
        if self._is_straight:
            np.copyto(target, source)
        elif len(source) <= self._step:
            turn(target, source, self._rest)
        else:
            for start in range(0, len(source), self._step):
                part = slice(start, start + self._step)
                turn(target[part], source[part], self._rest)
                release(source[part])
