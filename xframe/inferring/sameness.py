"""Whether two layers gave the same: in any layout, at the last step of a sequence, or behind an activation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from xframe.comparison import Tolerance, alike, distance
from xframe.proving.causes.functions import ACTIVATIONS, softmax
from xframe.proving.sides import Side
from xframe.tensors import Array

LAST = "at the last step"  # how a layer agrees that gives no more
HELD = Tolerance(rtol=1e-9)
Activation = Callable[[Array], Array]


def shares(array: Array) -> Array:
    """A softmax over the last axis."""
    return np.moveaxis(softmax(np.moveaxis(array, -1, 1)), 1, -1)


# What a layer of the one framework may do itself and what stands behind it in the other.
_BEHIND: dict[str, Activation] = {**ACTIVATIONS, "softmax over the last axis": shares}


def same(here: Side, one: Array, there: Side, other: Array) -> str | None:
    """How what a layer of either side gave is the same, "" for to the last digits; None where it is not."""
    pairs = [(a, b) for a in ways(here, one) for b in ways(there, other) if a.shape == b.shape]
    near = 4 * HELD.rtol * max(1.0, float(np.abs(one).max(initial=0)))  # what an activation gives is not much larger
    if any(equal(a, b, near) for a, b in pairs):
        return ""
    if any(equal(*steps) for steps in _last_steps(here, one, there, other)):
        return LAST
    for name, activation in _BEHIND.items():
        if any(behind(activation, a, b, near) or behind(activation, b, a, near) for a, b in pairs):
            return f"behind {name}"
    return None


def _last_steps(here: Side, one: Array, there: Side, other: Array) -> Iterator[tuple[Array, Array]]:
    """A sequence's last step and what has no steps, either way: Keras's recurrent layers may give only that."""
    for side, whole, far, last in ((here, one, there, other), (there, other, here, one)):
        if whole.ndim == last.ndim + 1 and whole.ndim > 2:
            found = side.channels_first(whole, "sequence")[:, -1], far.channels_first(last, "sequence")
            if found[0].shape == found[1].shape:
                yield found


def equal(one: Array, other: Array, near: float = np.inf) -> bool:
    """Whether two arrays agree to 1e-9 of the largest value, and say anything at all.

    Most that do not agree show it in a corner, by more than ``near``.
    """
    if not np.abs(corner(one) - corner(other)).max(initial=0) <= near:
        return False
    return bool(distance(*alike(one, other)).judged(HELD)) and bool(np.ptp(one) > 0)


def behind(activation: Activation, one: Array, other: Array, near: float) -> bool:
    """Whether an activation makes one array the other; the whole is computed where a corner says so."""
    seen = np.abs(activation(corner(one)) - corner(other)).max(initial=0) <= near
    return bool(seen) and equal(activation(one), other)


def corner(array: Array) -> Array:
    """A part of an array that an activation sees as it sees the whole: a row of the first image, with all channels."""
    return array[:1, :, :1] if array.ndim > 3 else array[:1]


def ways(side: Side, array: Array) -> list[Array]:
    """An array with its channels first, as it is, and with its features brought to the front; no axes of length one."""
    found = [side.channels_first(array, axes) for axes in ("channels", "sequence")]
    if array.ndim > 2:
        found.append(np.moveaxis(array, -1, 1))
    return [squeezed(turned) for turned in found]


def squeezed(array: Array) -> Array:
    """The array without axes of length one but its batch, and with two axes at least."""
    return array.reshape(array.shape[0], *([length for length in array.shape[1:] if length > 1] or [1]))
