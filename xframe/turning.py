"""Arrays turned round: what lies in columns comes to lie in rows, in runs that are long in either.

Compiled code does it where there is some: a plane of words in one go. Elsewhere, and for all else, numpy does: it
gathers the source in its own order and turns that, tile by tile, in the cache. Both give the same bytes.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import numpy as np

from xframe.native import words
from xframe.tensors import Array

_TILE = 2**17
_PADDING = 64  # bytes between gathered rows: strides of a power of two would fall onto the same cache lines


def turn(target: Array, source: Array, room: Array) -> None:
    """Copies ``source`` into ``target``, whose axes are in the source's order: its strides fall.

    ``room`` is memory to work in; where it is too small some is made.
    """
    if words is not None and words.turn(target, source):
        return
    if source.nbytes <= _TILE:
        np.copyto(target, source)
    else:
        _turn_tiles(target, _gathered(source, room))


def _gathered(source: Array, room: Array) -> Array:
    *outer, last = source.shape
    padded = last + _PADDING // source.itemsize
    nbytes = math.prod(outer) * padded * source.itemsize
    space = room[:nbytes] if nbytes <= len(room) else np.empty(nbytes, np.uint8)
    gathered = space.view(source.dtype).reshape(*outer, padded)[..., :last]
    np.copyto(gathered, source)
    return gathered


def _turn_tiles(target: Array, source: Array) -> None:
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
