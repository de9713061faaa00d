"""How what two layers read relates, where it is the same thing laid out or padded differently."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from xframe.comparison import Tolerance, alike, compare
from xframe.proving.causes.functions import flattened
from xframe.tensors import Array

Map = tuple[int, int, int]  # channels, height, width


Margins = tuple[tuple[int, int], ...]  # zeros before and after, an axis


@dataclass(frozen=True, slots=True)
class Alignment:
    """Both sides read the same thing, each with ``margins`` of zeros around its maps, or in another flatten order.

    ``order`` is the map behind a flatten: source C,H,W and target H,W,C, or the other way round if ``reverse``.
    """

    margins: tuple[Margins, Margins] = ((), ())
    order: Map | None = None
    reverse: bool = False


def align(one: Array, other: Array, maps: Iterable[Map], tolerance: Tolerance) -> Alignment | None:
    """How the target's ``other`` is the source's ``one``; None where they are different things.

    ``maps`` are sizes that a flattened map may have had.
    """
    one, other = alike(one, other)
    if one.ndim == other.ndim > 2 and one.shape[:2] == other.shape[:2]:
        margins = border(one), border(other)
        same = compare(without(one, margins[0]), without(other, margins[1]), tolerance)
        return Alignment(margins=margins) if same else None
    if one.shape == other.shape and compare(one, other, tolerance):
        return Alignment()
    if one.ndim == other.ndim == 2 and one.shape == other.shape:
        return _flatten_order(one, other, maps, tolerance)
    return None


def border(maps: Array) -> Margins:
    """How many zeros lie before and after along each axis of N×C×…, in all maps."""
    margins = []
    for axis in range(2, maps.ndim):
        others = tuple(index for index in range(maps.ndim) if index != axis)
        (filled,) = np.nonzero(np.any(maps, axis=others))
        margins.append((int(filled[0]), int(maps.shape[axis] - 1 - filled[-1])) if len(filled) else (0, 0))
    return tuple(margins)


def without(maps: Array, margins: Margins) -> Array:
    """N×C×… without what lies at its borders."""
    inner: Array = maps[
        :, :, *(slice(before, length - after) for (before, after), length in zip(margins, maps.shape[2:], strict=True))
    ]
    return inner


def padded(maps: Array, margins: Iterable[Sequence[int]]) -> Array:
    """N×C×… with zeros before and after along each axis behind the channels."""
    return np.pad(maps, [(0, 0), (0, 0), *((before, after) for before, after in margins)])


def _flatten_order(one: Array, other: Array, maps: Iterable[Map], tolerance: Tolerance) -> Alignment | None:
    for size in maps:
        if math.prod(size) != one.shape[1]:
            continue
        for reverse, (first, second) in enumerate(((one, other), (other, one))):
            if compare(flattened(first.reshape(-1, *size), "h w c"), second, tolerance):
                return Alignment(order=size, reverse=bool(reverse))
    return None


def possible_maps(shapes: Iterable[tuple[int, ...]], length: int) -> Iterator[Map]:
    """Sizes of C×H×W maps of ``length`` values that may lie behind layers which gave ``shapes``, pooled or not."""
    seen = set()
    for shape in shapes:
        if len(shape) != 4 or length % shape[1]:
            continue
        area = length // shape[1]
        side = math.isqrt(area)
        sizes = [(shape[1], shape[2], shape[3])] if shape[2] * shape[3] == area else []
        sizes += [(shape[1], side, side)] if side * side == area > 1 else []
        for size in sizes:
            if size not in seen:
                seen.add(size)
                yield size
