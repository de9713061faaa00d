"""Axis patterns and the invertible rearrangements between them, in einops' grammar.

A pattern names the axes of a tensor in order: ``out in kh kw``. Parentheses join axes into one dimension, the first
varying slowest: ``out (c h w)``. ``1`` is a dimension of length one, the empty pattern a scalar. Brackets name the
blocks along an axis, in their order: ``(gate[r z n] out) in``. Two patterns over the same axes and blocks define a
rearrangement and its inverse; nothing is ever reshaped because the element counts happen to agree.

>>> import numpy as np
>>> flatten = Rearrangement.between("out (c h w)", "(h w c) out", {"c": 2, "h": 3, "w": 1})
>>> flatten.apply(np.arange(24).reshape(4, 6)).shape
(6, 4)
>>> Rearrangement.between("(gate[r z n] out)", "(gate[z r n] out)", {}).apply(np.arange(6)).tolist()
[2, 3, 0, 1, 4, 5]
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from xframe.errors import LayoutError
from xframe.tensors import Array

_TOKEN = re.compile(r"\s*(\(|\)|1(?![A-Za-z0-9_])|[A-Za-z_][A-Za-z0-9_]*)(?:\[([^\[\]]*)\])?")
_WORD = re.compile(r"[A-Za-z0-9_]+")
Sizes = Mapping[str, int]
Words = Mapping[str, str]  # an axis → one of its blocks
Tile = tuple[tuple[int | slice, ...], Array]  # where in the target, its axes split, and what is there


@dataclass(frozen=True, slots=True)
class AxisPattern:
    """A parsed pattern: one group of axis names per dimension, ``()`` for a dimension of length one.

    ``blocks`` are the words of each axis that is made of named blocks, in their order.
    """

    text: str
    groups: tuple[tuple[str, ...], ...]
    blocks: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    @staticmethod
    def parse(text: str) -> AxisPattern:
        """Parse ``text``; raises LayoutError with the pattern repeated."""
        return _parse(text)

    @property
    def axes(self) -> tuple[str, ...]:
        return tuple(axis for group in self.groups for axis in group)

    def shape(self, sizes: Sizes) -> tuple[int, ...]:
        """The shape of a tensor of this pattern. Raises LayoutError when an axis has no size."""
        known = self.known(sizes)
        missing = [axis for axis in self.axes if axis not in known]
        if missing:
            raise LayoutError(f"axes {missing} of the pattern '{self.text}' have no size")
        return tuple(math.prod(known[axis] for axis in group) for group in self.groups)

    def without(self, axes: Collection[str]) -> AxisPattern:
        """The pattern of one block along each of ``axes``; a dimension of nothing else goes with them."""
        kept = (tuple(axis for axis in group if axis not in axes) for group in self.groups)
        groups = tuple(group for group, whole in zip(kept, self.groups, strict=True) if group or not whole)
        blocks = {axis: words for axis, words in self.blocks.items() if axis not in axes}
        return AxisPattern(self.text, groups, MappingProxyType(blocks))

    def known(self, sizes: Sizes) -> dict[str, int]:
        """``sizes`` and those of the axes whose blocks are named here."""
        return {**sizes, **{axis: len(words) for axis, words in self.blocks.items()}}

    def bind(self, shape: tuple[int, ...], known: Sizes) -> dict[str, int]:
        """Sizes of all axes of a tensor with ``shape``, starting from ``known`` ones.

        Raises LayoutError when the rank differs, a known size disagrees, or a joined dimension cannot be split.
        """
        if len(shape) != len(self.groups):
            raise LayoutError(f"shape {list(shape)} has {len(shape)} dimensions, '{self.text}' has {len(self.groups)}")
        sizes = self.known(known)
        for length, group in zip(shape, self.groups, strict=True):
            self._bind_group(length, group, sizes)
        return sizes

    def _bind_group(self, length: int, group: tuple[str, ...], sizes: dict[str, int]) -> None:
        unknown = [axis for axis in group if axis not in sizes]
        product = math.prod(sizes[axis] for axis in group if axis in sizes)
        if len(unknown) > 1:
            raise LayoutError(f"'{self.text}' joins {unknown}, whose sizes are not known: state them in the table")
        if unknown and product and length % product == 0:
            sizes[unknown[0]] = length // product
        elif unknown or length != product:
            label = " ".join(group) or "1"
            raise LayoutError(f"dimension '{label}' of '{self.text}' should be {product}, found {length}")


@lru_cache(maxsize=1024)
def _parse(text: str) -> AxisPattern:
    groups: list[tuple[str, ...]] = []
    blocks: dict[str, tuple[str, ...]] = {}
    joined: list[str] | None = None
    for token, words in _tokens(text):
        if token == "(":  # noqa: S105 - a parenthesis
            if joined is not None:
                raise LayoutError(f"pattern '{text}': parentheses inside parentheses")
            joined = []
        elif token == ")":  # noqa: S105 - a parenthesis
            if not joined:
                raise LayoutError(f"pattern '{text}': ')' without axes before it")
            groups.append(tuple(joined))
            joined = None
        elif joined is not None:
            joined.append(token)
        else:
            groups.append(() if token == "1" else (token,))  # noqa: S105 - a length
        if words is not None:
            blocks[token] = _block_words(text, token, words)
    pattern = AxisPattern(text, tuple(groups), MappingProxyType(blocks))
    if joined is not None:
        raise LayoutError(f"pattern '{text}': '(' is never closed")
    if "1" in pattern.axes or len(set(pattern.axes)) != len(pattern.axes):
        raise LayoutError(f"pattern '{text}': an axis is named twice, or '1' is joined")
    return pattern


def _tokens(text: str) -> Iterator[tuple[str, str | None]]:
    """Parentheses, ones and axis names, each with what stands in brackets behind it."""
    position, stripped = 0, text.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None:
            raise LayoutError(f"pattern '{text}': unexpected '{stripped[position:].strip()[:10]}'")
        yield match[1], match[2]
        position = match.end()


def _block_words(text: str, axis: str, inside: str) -> tuple[str, ...]:
    words = tuple(inside.split())
    if axis in "()1":
        raise LayoutError(f"pattern '{text}': blocks belong to an axis, not to '{axis}'")
    if len(words) < 2 or len(set(words)) != len(words) or not all(map(_WORD.fullmatch, words)):
        raise LayoutError(f"pattern '{text}': '{axis}' needs two blocks or more, each a word of its own")
    return words


@dataclass(frozen=True, slots=True)
class Rearrangement:
    """The way from one pattern to another over the same axes, exact to the bit and invertible.

    ``taken`` names blocks of the source that are meant alone, ``put`` those of the target that they become: one block
    of a tensor may be a tensor of its own elsewhere.
    """

    source: AxisPattern
    target: AxisPattern
    sizes: Sizes = field(default_factory=dict)
    taken: Words = field(default_factory=dict)
    put: Words = field(default_factory=dict)

    def __post_init__(self) -> None:
        ends = f"'{self.source.text}' and '{self.target.text}'"
        for pattern, words in ((self.source, self.taken), (self.target, self.put)):
            for axis, word in words.items():
                if word not in pattern.blocks.get(axis, ()):
                    raise LayoutError(f"'{pattern.text}' has no block '{word}' along '{axis}'")
        one, other = self.source.without(self.taken), self.target.without(self.put)
        if set(one.axes) != set(other.axes):
            raise LayoutError(f"{ends} do not name the same axes")
        if {axis: {*words} for axis, words in one.blocks.items()} != {a: {*words} for a, words in other.blocks.items()}:
            raise LayoutError(f"{ends} do not name the same blocks")
        for name in ("sizes", "taken", "put"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @staticmethod
    def between(source: str, target: str, sizes: Sizes) -> Rearrangement:
        """From two patterns as text."""
        return Rearrangement(AxisPattern.parse(source), AxisPattern.parse(target), sizes)

    @property
    def inverse(self) -> Rearrangement:
        return Rearrangement(self.target, self.source, self.sizes, self.put, self.taken)

    @property
    def is_identity(self) -> bool:
        """Whether every element stays where it is, in its tensor or in the same block of another."""
        alike = self.source.groups == self.target.groups and self.taken == self.put
        return alike and self.source.blocks == self.target.blocks

    @property
    def text(self) -> str:
        """For people: ``out in -> in out``, ``=`` where nothing moves, and which blocks are meant."""
        way = "=" if self.is_identity else f"{self.source.text} -> {self.target.text}"
        return " ".join((way, *(f"at {word}" for word in {**self.taken, **self.put}.values())))

    def tiles(self, array: Array) -> list[Tile]:
        """``array`` of the source pattern as tiles of the target, its axes split; nothing is copied.

        A tile is where it lies along each of the target's axes, a number along those that are cut into blocks, and a
        view of the source over the others. In the target's C order. Raises LayoutError when the shape does not fit.
        """
        sizes = self.source.bind(array.shape, self.sizes)
        split = array.reshape([sizes[axis] for axis in self.source.axes])
        return [self._tile(split, dict(zip(self._cut, words, strict=True))) for words in self._combinations]

    @property
    def _cut(self) -> list[str]:
        """Axes whose blocks change places, in the target's order."""
        blocks = self.source.blocks
        return [
            axis
            for axis in self.target.axes
            if axis not in self.put and self.target.blocks.get(axis) != blocks.get(axis)
        ]

    @property
    def _combinations(self) -> Iterator[tuple[str, ...]]:
        return itertools.product(*(self.target.blocks[axis] for axis in self._cut))

    def _tile(self, split: Array, words: Words) -> Tile:
        block = split[_index(self.source, {**self.taken, **words})]
        rest = [axis for axis in self.source.axes if axis not in self.taken and axis not in words]
        order = [rest.index(axis) for axis in self.target.axes if axis not in self.put and axis not in words]
        return _index(self.target, {**self.put, **words}), block.transpose(order)

    def apply(self, array: Array) -> Array:
        """``array`` of the source pattern, as a contiguous array of the target's, or of its block that is ``put``.

        Raises LayoutError when the shape does not fit.
        """
        sizes = self.source.bind(array.shape, self.sizes)
        pattern = self.target.without(self.put)
        moved = np.empty([pattern.known(sizes)[axis] for axis in pattern.axes], array.dtype)
        kept = [index for index, axis in enumerate(self.target.axes) if axis not in self.put]
        for at, tile in self.tiles(array):
            moved[tuple(at[index] for index in kept)] = tile
        return moved.reshape(pattern.shape(sizes))


def _index(pattern: AxisPattern, words: Words) -> tuple[int | slice, ...]:
    """What picks these blocks from an array of the pattern, its axes split."""
    return tuple(pattern.blocks[axis].index(words[axis]) if axis in words else slice(None) for axis in pattern.axes)
