"""Lengths of axes from shapes: what one tensor leaves open another one may settle."""

from __future__ import annotations

import math
from collections.abc import Iterable

from xframe.layouts import AxisPattern

Held = tuple[AxisPattern, tuple[int, ...]]  # a tensor's pattern and its shape


def solve(held: Iterable[Held], known: dict[str, int] | None = None) -> dict[str, int] | None:
    """The lengths of all axes that follow from these tensors; None where they contradict each other.

    A dimension that joins several axes, of which more than one has no length, stays open.
    """
    sizes = dict(known or {})
    for pattern, shape in held:
        if len(shape) != len(pattern.groups):
            return None
        sizes = {**pattern.known({}), **sizes}
    waiting = [(length, group) for pattern, shape in held for length, group in zip(shape, pattern.groups, strict=True)]
    while True:
        left = []
        for length, group in waiting:
            unknown = [axis for axis in group if axis not in sizes]
            product = math.prod(sizes[axis] for axis in group if axis in sizes)
            if len(unknown) > 1:
                left.append((length, group))
            elif length % product if unknown and product else product != length:
                return None
            elif unknown:
                sizes[unknown[0]] = length // product
        if len(left) == len(waiting):
            return sizes
        waiting = left


def is_open(held: Iterable[Held], sizes: dict[str, int]) -> bool:
    """Whether some axis has no length yet."""
    return any(axis not in sizes for pattern, _ in held for axis in pattern.axes)
