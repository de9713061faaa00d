"""Arrays of any strides as strips: pieces of their C order, each rearranged within the processor's cache.

numpy copies a transposed array in the target's order, so that every element of a large one costs a cache line.
Here a strip of the target, small enough for the cache, is gathered in the source's own order first, in long runs, and
turned round there, tile by tile. No strip is larger than ``LARGEST``, so memory does not grow with the array.
"""

from __future__ import annotations

import itertools
import math
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

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
