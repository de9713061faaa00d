"""Axis patterns and the invertible rearrangements between them, in einops' grammar.

A pattern names the axes of a tensor in order: ``out in kh kw``. Parentheses join axes into one dimension, the first
varying slowest: ``out (c h w)``. ``1`` is a dimension of length one, the empty pattern a scalar. Two patterns over the
same axes define a rearrangement and its inverse; nothing is ever reshaped because the element counts happen to agree.

>>> import numpy as np
>>> flatten = Rearrangement.between("out (c h w)", "(h w c) out", {"c": 2, "h": 3, "w": 1})
>>> flatten.apply(np.arange(24).reshape(4, 6)).shape
(6, 4)
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from xframe.errors import LayoutError
from xframe.tensors import Array

_TOKEN = re.compile(r"\s*(\(|\)|1(?![A-Za-z0-9_])|[A-Za-z_][A-Za-z0-9_]*)")
Sizes = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class AxisPattern:
    """A parsed pattern: one group of axis names per dimension, ``()`` for a dimension of length one."""

    text: str
    groups: tuple[tuple[str, ...], ...]

    @staticmethod
    def parse(text: str) -> AxisPattern:
        """Parse ``text``; raises LayoutError with the pattern repeated."""
        return _parse(text)

    @property
    def axes(self) -> tuple[str, ...]:
        return tuple(axis for group in self.groups for axis in group)

    def shape(self, sizes: Sizes) -> tuple[int, ...]:
        """The shape of a tensor of this pattern. Raises LayoutError when an axis has no size."""
        missing = [axis for axis in self.axes if axis not in sizes]
        if missing:
            raise LayoutError(f"axes {missing} of the pattern '{self.text}' have no size")
        return tuple(math.prod(sizes[axis] for axis in group) for group in self.groups)

    def bind(self, shape: tuple[int, ...], known: Sizes) -> dict[str, int]:
        """Sizes of all axes of a tensor with ``shape``, starting from ``known`` ones.

        Raises LayoutError when the rank differs, a known size disagrees, or a joined dimension cannot be split.
        """
        if len(shape) != len(self.groups):
            raise LayoutError(f"shape {list(shape)} has {len(shape)} dimensions, '{self.text}' has {len(self.groups)}")
        sizes = dict(known)
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
    joined: list[str] | None = None
    position = 0
    stripped = text.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None:
            raise LayoutError(f"pattern '{text}': unexpected '{stripped[position:].strip()[:10]}'")
        token, position = match[1], match.end()
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
    pattern = AxisPattern(text, tuple(groups))
    if joined is not None:
        raise LayoutError(f"pattern '{text}': '(' is never closed")
    if "1" in pattern.axes or len(set(pattern.axes)) != len(pattern.axes):
        raise LayoutError(f"pattern '{text}': an axis is named twice, or '1' is joined")
    return pattern


@dataclass(frozen=True, slots=True)
class Rearrangement:
    """The way from one pattern to another over the same axes, exact to the bit and invertible."""

    source: AxisPattern
    target: AxisPattern
    sizes: Sizes = field(default_factory=dict)

    def __post_init__(self) -> None:
        if set(self.source.axes) != set(self.target.axes):
            raise LayoutError(f"'{self.source.text}' and '{self.target.text}' do not name the same axes")
        object.__setattr__(self, "sizes", MappingProxyType(dict(self.sizes)))

    @staticmethod
    def between(source: str, target: str, sizes: Sizes) -> Rearrangement:
        """From two patterns as text."""
        return Rearrangement(AxisPattern.parse(source), AxisPattern.parse(target), sizes)

    @property
    def inverse(self) -> Rearrangement:
        return Rearrangement(self.target, self.source, self.sizes)

    @property
    def is_identity(self) -> bool:
        return self.source.groups == self.target.groups

    @property
    def text(self) -> str:
        """For people: ``out in -> in out``, or ``=`` where nothing moves."""
        return "=" if self.is_identity else f"{self.source.text} -> {self.target.text}"

    def view(self, array: Array) -> Array:
        """``array`` of the source pattern with its axes in the target's order, none of them joined; nothing is copied.

        Its elements in C order are the target's. Raises LayoutError when the shape does not fit.
        """
        sizes = self.source.bind(array.shape, self.sizes)
        split = array.reshape([sizes[axis] for axis in self.source.axes])
        return split.transpose([self.source.axes.index(axis) for axis in self.target.axes])

    def apply(self, array: Array) -> Array:
        """``array`` of the source pattern, as a contiguous array of the target pattern.

        Raises LayoutError when the shape does not fit.
        """
        target = self.target.shape(self.source.bind(array.shape, self.sizes))
        return np.ascontiguousarray(self.view(array)).reshape(target)
