"""Rows that differ only in numbers, folded into one with loops: ``layer{i}.{j}.conv{k}``."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

_NUMBER = re.compile(r"\d+")
_NAMES = "ijkmnpq"
Key = TypeVar("Key", bound=Hashable)
Names = Mapping[str, str]  # a column's name → its cell


@dataclass(frozen=True, slots=True)
class Folded:
    """A row's cells with loop variables, and their values; ``count`` rows in one."""

    names: Names
    loops: Mapping[str, tuple[int, ...]]
    count: int


def fold(rows: Sequence[tuple[Key, Names]]) -> list[tuple[Key, Folded]]:
    """Each row's key, which must be alike for rows to be one, and its cells. In the order of the first of each."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index, (key, names) in enumerate(rows):
        groups[key, tuple((column, _NUMBER.sub("#", cell)) for column, cell in names.items())].append(index)
    found: list[tuple[int, Key, Folded]] = []
    for members in groups.values():
        columns = list(rows[members[0]][1])
        cells = [[rows[index][1][column] for column in columns] for index in members]
        for places, folded in _folded(columns, cells):
            found.append((min(members[place] for place in places), rows[members[0]][0], folded))
    return [(key, folded) for _, key, folded in sorted(found, key=lambda entry: entry[0])]


@dataclass(slots=True)
class _Group:
    """Rows of one skeleton. ``numbers`` has a line a row: all numbers of its cells; ``owners`` says of which column."""

    columns: list[str]
    cells: list[list[str]]
    numbers: list[list[int]]
    owners: list[int]

    def is_everywhere(self, loop: Sequence[int]) -> bool:
        """Whether every column counts by it."""
        return {self.owners[position] for position in loop} == set(range(len(self.columns)))

    def variables(self, places: Sequence[int]) -> list[list[int]]:
        """Positions that move in step, those of constants left out, each loop's positions together."""
        found: list[list[int]] = []
        for position in range(len(self.owners)):
            values = [self.numbers[place][position] for place in places]
            if len(set(values)) == 1:
                continue
            for loop in found:
                first = [self.numbers[place][loop[0]] for place in places]
                if len({value - other for value, other in zip(values, first, strict=True)}) == 1:
                    loop.append(position)
                    break
            else:
                found.append([position])
        return found


def _folded(columns: list[str], cells: list[list[str]]) -> Iterator[tuple[list[int], Folded]]:
    texts = [[number for cell in row for number in _NUMBER.findall(cell)] for row in cells]
    owners = [index for index, cell in enumerate(cells[0]) for _ in _NUMBER.findall(cell)]
    if any(len(text) > 1 and text[0] == "0" for row in texts for text in row):  # 01 is not 1
        yield from (([place], _single(columns, row)) for place, row in enumerate(cells))
        return
    group = _Group(columns, cells, [[int(text) for text in row] for row in texts], owners)
    yield from _split(group, list(range(len(cells))))


def _single(columns: Sequence[str], cells: Sequence[str]) -> Folded:
    return Folded(dict(zip(columns, cells, strict=True)), {}, 1)


def _split(group: _Group, places: list[int]) -> Iterator[tuple[list[int], Folded]]:
    """One row for all of these where their loops give all combinations, else one for each part of them that does."""
    loops = group.variables(places)
    if len(places) == 1 or not loops:
        yield from (([place], _single(group.columns, group.cells[place])) for place in places)
        return
    tuples = [tuple(group.numbers[place][loop[0]] for loop in loops) for place in places]
    values = [sorted(set(found)) for found in zip(*tuples, strict=True)]
    local = next((index for index, loop in enumerate(loops) if not group.is_everywhere(loop)), None)
    whole = math.prod(map(len, values)) == len(set(tuples)) == len(places)
    if local is None and whole and len(loops) <= len(_NAMES):
        yield places, _row(group, places, loops, values)
        return
    for part in _parts(places, tuples, local):
        yield from _split(group, part)


def _parts(places: Sequence[int], tuples: Sequence[tuple[int, ...]], local: int | None) -> list[list[int]]:
    """Rows by the values of one loop, as few parts as may be; values that go with the same others stay together.

    A loop that not every column counts, ``local``, is taken apart value by value.
    """
    best: list[list[int]] = [[place] for place in places]
    for index in range(len(tuples[0])) if local is None else (local,):
        rest: dict[int, set[tuple[int, ...]]] = defaultdict(set)
        for found in tuples:
            rest[found[index]].add((*found[:index], *found[index + 1 :]))
        key = {value: value if local is not None else frozenset(others) for value, others in rest.items()}
        parts: dict[Hashable, list[int]] = defaultdict(list)
        for place, found in zip(places, tuples, strict=True):
            parts[key[found[index]]].append(place)
        if 1 < len(parts) < len(best):
            best = list(parts.values())
    return best


def _row(group: _Group, places: Sequence[int], loops: Sequence[list[int]], values: Sequence[list[int]]) -> Folded:
    names = {position: (_NAMES[index], loop[0]) for index, loop in enumerate(loops) for position in loop}
    first = group.numbers[places[0]]
    cells, position = [], 0
    for cell in group.cells[places[0]]:
        text, end = "", 0
        for match in _NUMBER.finditer(cell):
            text += cell[end : match.start()] + _spelt(names.get(position), first, position, match[0])
            end, position = match.end(), position + 1
        cells.append(text + cell[end:])
    loop_values = {_NAMES[index]: tuple(found) for index, found in enumerate(values)}
    return Folded(dict(zip(group.columns, cells, strict=True)), loop_values, len(places))


def _spelt(variable: tuple[str, int] | None, first: Sequence[int], position: int, number: str) -> str:
    """``{i}``, ``{i+1}`` where the position counts from another number, or the number itself."""
    if variable is None:
        return number
    name, origin = variable
    offset = first[position] - first[origin]
    return f"{{{name}{offset:+d}}}" if offset else f"{{{name}}}"
