"""Rows of a table: patterns over loop variables, expanded into layers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from xframe.mapping.kinds import Fill, Kind, Kinds, read_fill
from xframe.mapping.section import Section
from xframe.mapping.table import OWN, Implementation, Layer

_VARIABLE = re.compile(r"\{([^{}+-]*)([+-]\d+)?\}")  # {block}, or {block+1} where another counts from 1
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
Variables = dict[str, str]
NamedSizes = Mapping[str, Any]  # a size's name → its value, or {variable: {value of the variable: size}}


def read_rows(
    root: Section, implementations: Mapping[str, Implementation], kinds: Kinds, sizes: NamedSizes
) -> Iterator[Layer]:
    """All layers of a file's ``[[layers]]``, in order. Problems are recorded in ``root``; bad rows are left out."""
    for number, section in enumerate(root.sections("layers")):
        kind = _row_kind(section, kinds)
        loops = _loops(section.section("for"))
        needed = kind is None or bool(kind.tensors)
        cells = {name: _cell(section, name, needed=needed) for name in implementations}
        _check_cells(section, cells, loops)
        without = frozenset(section.texts("without"))
        size_names = section.take("sizes", dict, {})
        gain = section.take("gain", float, 1.0)
        only = dict(_read_only(section.section("only"), implementations))
        section.finish()
        if kind is not None:
            _check_kind(section, kind, without | only.keys(), size_names)
        for variables in _combinations(loops):
            layer_sizes = dict(_sizes(section, size_names, sizes, variables))
            if kind is not None:
                yield Layer(
                    kind=kind,
                    names=MappingProxyType({name: expand(cell, variables) for name, cell in cells.items()}),
                    sizes=MappingProxyType(layer_sizes),
                    absent=without,
                    only=MappingProxyType(only),
                    place=section.places.describe(section.path),
                    gain=gain,
                    row=number,
                    variables=MappingProxyType(variables),
                )


def _cell(section: Section, implementation: str, *, needed: bool) -> str:
    """The layer's name there, "" where it has no layer of its own for something that holds no tensor."""
    if needed:
        return section.require(implementation, str, "")
    return section.take(implementation, str, "")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """``layer{stage}.conv`` with its variables put in; unknown ones stay (they are a problem already)."""

    def value(match: re.Match[str]) -> str:
        found = variables.get(match[1], match[0])
        return str(int(found) + int(match[2])) if match[2] and found.isdecimal() else found

    return _VARIABLE.sub(value, text)


def _row_kind(section: Section, kinds: Kinds) -> Kind | None:
    name = section.require("kind", str, "")
    if name and name not in kinds.kinds:
        section.problem(f"unknown kind '{name}'", "kind", suggestion=f"known: {', '.join(kinds.kinds)}")
    return kinds.kinds.get(name)


def _loops(section: Section) -> dict[str, list[str]]:
    """``for = { stage = "1..4", n = ["a", "b"] }``: the values of each variable."""
    loops = {}
    for variable, value in section.data.items():
        if isinstance(value, list):
            loops[variable] = [str(item) for item in value]
        elif isinstance(value, str) and (match := _RANGE.fullmatch(value)) and int(match[1]) <= int(match[2]):
            loops[variable] = [str(number) for number in range(int(match[1]), int(match[2]) + 1)]
        else:
            section.problem(f'expected a range like "1..4" or a list, found {value!r}', variable)
            loops[variable] = []
    return loops


def _combinations(loops: Mapping[str, list[str]]) -> Iterator[Variables]:
    for values in itertools.product(*loops.values()):
        yield dict(zip(loops, values, strict=True))


def _check_cells(section: Section, cells: Mapping[str, str], loops: Mapping[str, list[str]]) -> None:
    """Every cell must use every variable of its row, and no other: else two layers would share a name."""
    several = {variable for variable, values in loops.items() if len(values) > 1}
    for implementation, cell in cells.items():
        used = {match[1] for match in _VARIABLE.finditer(cell.replace(OWN, ""))}
        if unknown := sorted(used - loops.keys()):
            detail = f"the pattern '{cell}' does not expand: no variable '{unknown[0]}'"
            section.problem(detail, implementation, suggestion=f"known: {', '.join(loops) or 'none'}")
        elif cell and (left_out := sorted(several - used)):
            detail = f"the pattern '{cell}' leaves out '{left_out[0]}', so several layers share one name"
            section.problem(detail, implementation)
        for match in _VARIABLE.finditer(cell):
            if match[2] and not all(value.isdecimal() for value in loops.get(match[1], ())):
                section.problem(f"'{match[0]}' adds to words, not to numbers", implementation)


def _check_kind(section: Section, kind: Kind, roles: frozenset[str], axes: Mapping[str, Any]) -> None:
    """The row may speak only of tensors and axes that its kind has."""
    for role in sorted(roles - set(kind.roles)):
        section.problem(f"the kind '{kind.name}' has no tensor '{role}'", suggestion=f"it has: {', '.join(kind.roles)}")
    for axis in sorted(axes.keys() - kind.axes):
        known = ", ".join(sorted(kind.axes))
        section.problem(f"the kind '{kind.name}' has no axis '{axis}'", "sizes", suggestion=f"it has: {known}")


def _read_only(
    section: Section, implementations: Mapping[str, Implementation]
) -> Iterator[tuple[str, tuple[frozenset[str], Fill]]]:
    """``only = { bias = { in = ["paddle/custom"], value = 0, because = "…" } }``."""
    for role, child in section.children():
        names = frozenset(child.texts("in"))
        for name in sorted(names - implementations.keys()):
            child.problem(f"unknown implementation '{name}'", "in", suggestion=f"known: {', '.join(implementations)}")
        yield role, (names, read_fill(child))


def _sizes(
    section: Section, row: Mapping[str, Any], named: NamedSizes, variables: Variables
) -> Iterator[tuple[str, int]]:
    for axis, value in row.items():
        size = _size(value, named, variables)
        if size is not None:
            yield axis, size
        else:
            detail = f"no size for axis '{axis}': {value!r} is neither a length nor a size that is known here"
            section.problem(detail, "sizes")


def _size(value: Any, named: NamedSizes, variables: Variables) -> int | None:
    """A length as it stands, by an option's or a size's name, or by a loop variable's value."""
    if isinstance(value, str):
        value = named.get(value)
    if isinstance(value, Mapping) and len(value) == 1:
        variable, lengths = next(iter(value.items()))
        value = lengths.get(variables.get(variable, "")) if isinstance(lengths, Mapping) else None
        value = named.get(value) if isinstance(value, str) else value
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
