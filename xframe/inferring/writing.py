"""The table as a text: rows folded, kinds of its own, a comment on each doubtful row, and what has no counterpart."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from xframe.builds import Build
from xframe.inferring.folding import fold
from xframe.inferring.parts import Part
from xframe.inferring.rows import Row
from xframe.inferring.spelling import (
    RowKey,
    aligned,
    bare,
    listed,
    quoted,
    spell_alone,
    spell_column,
    spell_kind,
    spell_row,
    spell_value,
)
from xframe.mapping import Kind, Kinds, Table


@dataclass(slots=True)
class OwnKinds:
    """The kinds that the table states itself, each once; one of another content under the same name is numbered."""

    known: Kinds
    taken: frozenset[str] = frozenset()  # names that the table has already
    found: dict[str, Kind] = field(default_factory=dict)

    def name(self, kind: Kind) -> str:
        """What the kind is called in the table."""
        if kind.name not in self.taken and self.known.kinds.get(kind.name) == kind:
            return kind.name
        content = _content(kind)
        for number in range(1, len(self.found) + len(self.taken) + 3):
            name = kind.name if number == 1 else f"{kind.name}_{number}"
            if name in self.known.kinds or name in self.taken:
                continue
            if name not in self.found or _content(self.found[name]) == content:
                self.found.setdefault(name, replace(kind, name=name))
                return name
        raise AssertionError("every number is taken")


def written(table: Table, rows: Sequence[Row], alone: Mapping[str, Sequence[Part]], known: Kinds) -> tuple[str, int]:
    """The whole text, and how many rows it has after folding. ``table`` has the columns, the input and the options.

    ``alone`` are the parts of each column that have no counterpart.
    """
    kinds = OwnKinds(known)
    folded = fold([(key_of(row, kinds.name(row.kind)), row.cells) for row in rows])
    parts = [
        "\n".join(_head(table)),
        *("\n".join(spell_row(key, row)) for key, row in folded),
        *("\n".join(spell_kind(name, kind)) for name, kind in kinds.found.items()),
        *spell_alone(alone),
    ]
    return "\n\n".join(parts) + "\n", len(folded)


def head_of(table: Table, kinds: Sequence[Kind], known: Kinds, probabilities: str = "") -> Table:
    """What stands above the rows. A column that no own kind speaks of by its own name needs no dialect.

    ``probabilities`` is the column that returns those where the other returns logits.
    """
    own = [kind for kind in kinds if known.kinds.get(kind.name) != kind]
    spoken = {dialect for kind in own for tensor in kind.tensors for dialect in tensor.forms}
    columns = {
        name: replace(
            column,
            dialect=column.framework.name if column.dialect == name and name not in spoken else column.dialect,
            output="probabilities" if name == probabilities else column.output,
        )
        for name, column in table.implementations.items()
    }
    return replace(table, implementations=MappingProxyType(columns))


def at_home(table: Table, home: Path) -> Table:
    """The table with its files of code and saved models named from the folder that it will lie in."""
    columns = {name: replace(column, build=_from(column.build, home)) for name, column in table.implementations.items()}
    return replace(table, implementations=MappingProxyType(columns))


def _from(build: Build, home: Path) -> Build:
    if not (build.is_file or build.is_saved):
        return build
    place = Path(os.path.relpath(build.place, home)).as_posix()
    place = place if place.startswith("..") else f"./{place}"
    return replace(build, said=f"{place}:{build.attribute}" if build.attribute else place)


def key_of(row: Row, kind: str) -> RowKey:
    """What a row has in common with those that it can be one with; ``kind`` is what the table calls its kind."""
    only = tuple((role, tuple(sorted(names)), because) for role, (names, because) in sorted(row.only.items()))
    sizes, without = tuple(sorted(row.sizes.items())), tuple(sorted(row.without))
    return RowKey(kind, sizes, without, only, row.gain, row.doubt)


def _head(table: Table) -> Iterator[str]:
    yield f"summary = {quoted(table.summary)}"
    lengths = ", ".join(str(length) for length in table.input)
    yield f"input   = [{lengths}]"
    if table.tokens is not None:
        yield f"tokens  = {table.tokens}"
    elif table.input_axes != "channels":
        yield f"input_axes = {quoted(table.input_axes)}"
    if table.output_axes != table.input_axes:
        yield f"output_axes = {quoted(table.output_axes)}"
    if table.options:
        yield ""
        yield "[options]"
        yield from (f"{name} = {spell_value(value)}" for name, value in table.options.items())
    yield ""
    yield "[implementations]"
    yield from aligned([(bare(name), spell_column(column)) for name, column in table.implementations.items()])
    for difference in table.differences:
        yield ""
        yield "[[differences]]"
        yield from aligned([("of", listed(sorted(difference.of))), ("says", quoted(difference.says))])


def _content(kind: Kind) -> Hashable:
    return tuple(
        (tensor.role, tuple((dialect, form.name, form.pattern.text) for dialect, form in tensor.forms.items()))
        for tensor in kind.tensors
    )
