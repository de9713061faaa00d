"""Right weights with one tensor spoilt, or two exchanged."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xframe.mapping import Entry, Implementation
from xframe.tensors import Array

ATTEMPTS = 50  # drawings after which there is held to be no other mutant


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoilt:
    """The tensors of a target that are to be replaced, the entries that they belong to, and what was done."""

    tensors: Mapping[str, Array]
    entries: tuple[Entry, ...]
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The right weights of a target: its tensors by name, as it lays them out, and their entries."""

    implementation: Implementation
    tensors: Mapping[str, Array]
    entries: Sequence[Entry]

    def name(self, entry: Entry) -> str:
        return entry.names[self.implementation.name].name

    def __getitem__(self, entry: Entry) -> Array:
        return self.tensors[self.name(entry)]

    def channel_axes(self, entry: Entry) -> list[int]:
        """Axes along which channels lie; of a kernel not those of its window."""
        axes = range(self[entry].ndim)
        if len(axes) == 4:
            axes = range(2, 4) if self.implementation.framework.channels == "last" else range(2)
        return [axis for axis in axes if self[entry].shape[axis] > 1]


Kind = Callable[[Held, np.random.Generator], Spoilt | None]


def spoilt(kind: str, held: Held, drawn: np.random.Generator, known: set[str]) -> Spoilt | None:
    """A mutant whose description is not in ``known`` and whose tensors do differ; None where no other was drawn."""
    for _ in range(ATTEMPTS):
        found = KINDS[kind](held, drawn)
        if found is not None and found.says not in known and _differs(found, held):
            return found
    return None


def _differs(found: Spoilt, held: Held) -> bool:
    return any(not np.array_equal(array, held.tensors[name]) for name, array in found.tensors.items())


def _one(held: Held, drawn: np.random.Generator) -> Entry:
    return held.entries[drawn.integers(len(held.entries))]


def _replaced(held: Held, entry: Entry, array: Array, says: str) -> Spoilt:
    name = held.name(entry)
    values = np.ascontiguousarray(array, held[entry].dtype)
    return Spoilt(tensors={name: values}, entries=(entry,), says=f"{name} {list(values.shape)} {says}")


def swapped(held: Held, drawn: np.random.Generator) -> Spoilt | None:
    """Two tensors of equal shape in each other's place."""
    one = _one(held, drawn)
    alike = [entry for entry in held.entries if entry is not one and held[entry].shape == held[one].shape]
    if not alike:
        return None
    other = alike[drawn.integers(len(alike))]
    names = held.name(one), held.name(other)
    tensors = {names[0]: held[other], names[1]: held[one]}
    return Spoilt(tensors=tensors, entries=(one, other), says=f"{names[0]} and {names[1]} {list(held[one].shape)}")


def exchanged_axes(held: Held, drawn: np.random.Generator) -> Spoilt | None:
    """A tensor of which two axes of equal length are exchanged: the shape does not betray it."""
    entry = _one(held, drawn)
    shape = held[entry].shape
    pairs = [pair for pair in itertools.combinations(range(len(shape)), 2) if shape[pair[0]] == shape[pair[1]] > 1]
    if not pairs:
        return None
    pair = pairs[drawn.integers(len(pairs))]
    return _replaced(held, entry, held[entry].swapaxes(*pair), f"with its axes {pair[0]} and {pair[1]} exchanged")


def scaled(held: Held, drawn: np.random.Generator) -> Spoilt:
    """A tensor a millionth larger."""
    entry = _one(held, drawn)
    return _replaced(held, entry, held[entry].astype(np.float64) * (1 + 1e-6), "scaled by 1 + 1e-6")


def zeroed(held: Held, drawn: np.random.Generator) -> Spoilt | None:
    """A tensor of which one channel is zero."""
    found = _along_channels(held, drawn)
    if found is None:
        return None
    entry, axis = found
    channel = int(drawn.integers(held[entry].shape[axis]))
    values = held[entry].copy()
    values[(slice(None),) * axis + (channel,)] = 0
    return _replaced(held, entry, values, f"with channel {channel} of axis {axis} zero")


def permuted(held: Held, drawn: np.random.Generator) -> Spoilt | None:
    """A tensor with its channels in another order."""
    found = _along_channels(held, drawn)
    if found is None:
        return None
    entry, axis = found
    order = drawn.permutation(held[entry].shape[axis])
    said = ", ".join(map(str, order[:4])) + (" …" if len(order) > 4 else "")
    return _replaced(held, entry, held[entry].take(order, axis=axis), f"with axis {axis} in the order {said}")


def _along_channels(held: Held, drawn: np.random.Generator) -> tuple[Entry, int] | None:
    entry = _one(held, drawn)
    axes = held.channel_axes(entry)
    return (entry, axes[drawn.integers(len(axes))]) if axes else None


KINDS: Mapping[str, Kind] = {
    "two tensors swapped": swapped,
    "two axes exchanged": exchanged_axes,
    "scaled by 1 + 1e-6": scaled,
    "a channel zeroed": zeroed,
    "channels permuted": permuted,
}
