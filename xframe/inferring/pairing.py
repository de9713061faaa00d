"""Two parts as one layer: a kind that both read as, and axes whose lengths agree."""

from __future__ import annotations

import difflib
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from xframe.inferring.fusing import Fusion, fusions
from xframe.inferring.own_kinds import Ends, kind_between, kind_of_raw
from xframe.inferring.parts import Part
from xframe.inferring.readings import Reading, is_sure
from xframe.inferring.solving import Held, is_open, solve
from xframe.mapping.kinds import Fill, Kind
from xframe.mapping.table import Layer

_MOST_RAW = 24  # ways to pair the tensors of a layer of no known kind
LONE = "inferred: the others have no such tensor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """One way in which a source's part is a target's: the layer's kind, and lengths that a row has to state.

    ``lone`` are tensors that one of the two has and the other could have and has not, with that one's column. ``guess``
    says what was supposed where shapes leave several ways.
    """

    source: Part
    target: Part
    kind: Kind
    sizes: Mapping[str, int] = field(default_factory=dict)
    lone: Mapping[str, str] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    guess: str = ""
    view: str = ""
    fusion: Fusion | None = None

    def layer(self, columns: tuple[str, str]) -> Layer:
        """The row, for a table of these two columns."""
        fill = Fill(value=0.0, because=LONE)
        return Layer(
            kind=self.kind,
            names=MappingProxyType(dict(zip(columns, (self.source.cell, self.target.cell), strict=True))),
            sizes=MappingProxyType(dict(self.sizes)),
            absent=self.absent,
            only=MappingProxyType({role: (frozenset({column}), fill) for role, column in self.lone.items()}),
            place=self.source.cell,
        )


@dataclass(frozen=True, slots=True)
class Hints:
    """What shapes of tensors do not say: feature maps that a flatten may lie behind, and numbers of heads."""

    maps: tuple[tuple[int, int, int], ...] = ()
    heads: tuple[int, ...] = ()

    def ways(self, held: Sequence[Held], sizes: dict[str, int]) -> Iterator[tuple[dict[str, int], str]]:
        """The lengths that could be supposed for axes that are open, and how that would be said."""
        axes = {axis for pattern, _ in held for axis in pattern.axes if axis not in sizes}
        if axes == {"c", "h", "w"}:
            length = _joined(held, axes)
            for c, h, w in dict.fromkeys((*self._fitting(length), *self._square(length))):
                yield {"c": c, "h": h, "w": w}, f"a flatten of {c}×{h}×{w} before it"
        elif axes == {"heads", "key"}:
            length = _joined(held, axes)
            for heads in dict.fromkeys((*self.heads, 1)):
                if length % heads == 0:
                    yield {"heads": heads, "key": length // heads}, f"{heads} heads"
        elif axes == {"multiplier", "out"}:
            length = _joined(held, axes)
            yield {"out": length, "multiplier": 1}, ""

    def _fitting(self, length: int) -> Iterator[tuple[int, int, int]]:
        return (found for found in self.maps if math.prod(found) == length)

    def _square(self, length: int) -> Iterator[tuple[int, int, int]]:
        for channels in dict.fromkeys(found[0] for found in self.maps):
            side = math.isqrt(length // channels)
            if side and channels * side * side == length:
                yield channels, side, side


def _joined(held: Sequence[Held], axes: set[str]) -> int:
    """The length of the dimension that joins these axes, alone or with blocks that are known."""
    for pattern, shape in held:
        for length, group in zip(shape, pattern.groups, strict=True):
            if axes <= set(group):
                return length // math.prod(len(pattern.blocks[axis]) for axis in group if axis in pattern.blocks)
    return 0


def pairings(source: Part, target: Part, ends: Ends, hints: Hints) -> tuple[Pairing, ...]:
    """Every way in which the two could be one layer, the likeliest first; none where they cannot."""
    if source.members or target.members:
        return tuple(
            Pairing(source=source, target=target, kind=kind, sizes=sizes, fusion=fusion)
            for kind, fusion, sizes in fusions(source, target, ends, hints.heads)
        )
    if source.readings and target.readings:
        found = (
            pairing
            for read in itertools.product(source.readings, target.readings)
            for pairing in _of((source, target), read, ends, hints)
        )
        if known := tuple(_distinct(found)):
            return known
    if is_sure(source.class_) or is_sure(target.class_):
        return ()
    return tuple(itertools.islice(_raw(source, target, ends), _MOST_RAW))


def _of(parts: tuple[Part, Part], read: tuple[Reading, Reading], ends: Ends, hints: Hints) -> Iterator[Pairing]:
    """The pairs by one reading of each part: one, or one for every way in which open lengths could be supposed."""
    (source, target), (one, other) = parts, read
    if one.kind.name != other.kind.name or (one.view and other.view):
        return
    held = [*one.held(source.shapes), *other.held(target.shapes)]
    sizes = solve(held)
    if sizes is None:
        return
    kind = kind_between(one, other, ends)
    lone = dict(_lone(one, other, ends))
    absent = frozenset(kind.roles) - one.roles - other.roles - _own_to_one(kind, ends)
    pairing = Pairing(source=source, target=target, kind=kind, lone=lone, absent=absent, view=one.view or other.view)
    if not is_open(held, sizes):
        yield replace(pairing, sizes=_needed(held, sizes))
        return
    for supposed, guess in hints.ways(held, sizes):
        settled = solve(held, {**sizes, **supposed})
        if settled is not None:
            yield replace(pairing, sizes=_needed(held, settled), guess=guess)


def _needed(held: Sequence[Held], sizes: Mapping[str, int]) -> dict[str, int]:
    """The lengths of joined axes: no single shape says them."""
    joined = {axis for pattern, _ in held for group in pattern.groups if len(group) > 1 for axis in group}
    blocks = {axis for pattern, _ in held for axis in pattern.blocks}
    several = {
        axis
        for pattern, _ in held
        for group in pattern.groups
        if len([name for name in group if name not in pattern.blocks]) > 1
        for axis in group
    }
    return {axis: sizes[axis] for axis in sizes if axis in joined & several and axis not in blocks}


def _lone(one: Reading, other: Reading, ends: Ends) -> Iterator[tuple[str, str]]:
    """Tensors that the kind has in both frameworks and only one of the two parts has."""
    for here, there, end, far in ((one, other, ends[0], ends[1]), (other, one, ends[1], ends[0])):
        for role in sorted(here.roles - there.roles):
            tensors = [tensor for tensor in here.kind.tensors if tensor.stated == role]
            if any(far.framework.name == name.partition("/")[0] for tensor in tensors for name in tensor.forms):
                yield role, end.name


def _own_to_one(kind: Kind, ends: Ends) -> set[str]:
    """Tensors that no form speaks of in one of the two frameworks: they are absent there by nature."""
    return {tensor.stated for tensor in kind.tensors if not all(end.form(tensor) for end in ends)}


def _raw(source: Part, target: Part, ends: Ends) -> Iterator[Pairing]:
    """Layers of no known kind: their tensors pair by shape, in every order that shapes allow, alike names first."""
    here, there = list(source.shapes), list(target.shapes)
    if len(here) != len(there):
        return
    orders = itertools.islice(itertools.permutations(there), 720)
    fitting = [order for order in orders if all(map(_turned, here, order, [source] * len(here), [target] * len(here)))]
    fitting.sort(key=lambda order: -sum(map(alike, here, order)))
    for order in fitting:
        pairs = list(zip(here, order, strict=True))
        for turns in itertools.product(*(_turns(source.shapes[one], target.shapes[other]) for one, other in pairs)):
            kind = kind_of_raw(source, target, pairs, turns, ends)
            several = len(fitting) > 1 or any(turn != tuple(range(len(turn))) for turn in turns)
            told = ", ".join(f"{one} is {other}" for one, other in pairs) if several else ""
            yield Pairing(source=source, target=target, kind=kind, guess=told)


def _turned(one: str, other: str, source: Part, target: Part) -> bool:
    return sorted(source.shapes[one]) == sorted(target.shapes[other])


def _turns(one: tuple[int, ...], other: tuple[int, ...]) -> Iterable[tuple[int, ...]]:
    """The orders of axes that lead from one shape to the other; as it is first."""
    orders = itertools.permutations(range(len(one)))
    return [order for order in orders if tuple(one[axis] for axis in order) == other]


def _distinct(found: Iterable[Pairing]) -> Iterator[Pairing]:
    """One of those that move the tensors alike; a plain kind before one that is seen as another."""
    known: list[Pairing] = []
    for pairing in sorted(found, key=lambda found: (bool(found.view), len(found.lone))):
        if not any(_same(pairing, other) for other in known):
            known.append(pairing)
            yield pairing


def _same(one: Pairing, other: Pairing) -> bool:
    return one.kind == other.kind and one.sizes == other.sizes


def alike(one: str, other: str) -> float:
    """How alike two names are, from 0 to 1: the words and numbers that they share, in order."""
    return difflib.SequenceMatcher(None, words(one), words(other), autojunk=False).ratio()


def words(name: str) -> list[str]:
    """``layer1_0.conv2`` as its words and numbers."""
    return [word.lower() for word in re.findall(r"[A-Za-z]+|\d+", name)]
