"""A table's own text with a column more: its rows, comments and options stay as they were written."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xframe.inferring.folding import fold
from xframe.inferring.parts import Part
from xframe.inferring.rows import Row
from xframe.inferring.spelling import (
    RowKey,
    bare,
    doubtful,
    listed,
    quoted,
    spell_alone,
    spell_column,
    spell_kind,
    spell_only,
    spell_row,
    spell_tensor,
    spell_value,
)
from xframe.inferring.writing import OwnKinds, key_of
from xframe.mapping import Kind, Kinds, Table
from xframe.mapping.lines import Lines
from xframe.mapping.table import Layer

_WORDS = re.compile(r"\d+|[A-Za-z]+|[^A-Za-z\d]+")


def amended(
    tables: tuple[Table, Table], rows: Sequence[Row], alone: Mapping[str, Sequence[Part]], known: Kinds
) -> tuple[str, int]:
    """The text of the first of ``tables`` with a column more, and how many rows it has.

    The second of ``tables`` has all columns, the new one last.
    ``rows`` are those that ``extended`` gives. A row that the new column divides is written anew, one that has no
    counterpart stays without. Raises Unplaced for a text that is not written row by row.
    """
    lines = Lines(tables[0].file.read_text(encoding="utf-8"))
    return _Amending(lines, *tables, known).carry_out(rows, alone)


@dataclass(slots=True)
class _Amending:
    lines: Lines
    given: Table
    head: Table
    known: Kinds
    stated: dict[str, Kind] = field(default_factory=dict)  # of the table's own kinds, what they are to say now
    kinds: OwnKinds = field(init=False)

    def __post_init__(self) -> None:
        self.kinds = OwnKinds(self.known, taken=frozenset(self.lines.data.get("kinds", {})))

    @property
    def _new(self) -> str:
        return list(self.head.implementations)[-1]

    def carry_out(self, rows: Sequence[Row], alone: Mapping[str, Sequence[Part]]) -> tuple[str, int]:
        first = next(iter(self.given.implementations))
        found = {row.cells[first]: row for row in rows if self._new in row.cells}
        layers = {layer.names[first]: layer for layer in self.given.layers}
        self._state_kinds([(layers[cell].kind, row.kind) for cell, row in found.items()])
        self._columns()
        by_row: dict[int, list[Layer]] = defaultdict(list)
        for layer in self.given.layers:
            by_row[layer.row].append(layer)
        count, texts = 0, list[dict[str, object]]()
        for number, members in by_row.items():
            new = self._row(number, members, [found.get(layer.names[first]) for layer in members])
            texts += [self.lines.data["layers"][number]] if new is None else new
            count += 1 if new is None else len(new)
        self.lines.data["layers"] = texts
        for name, kind in self.kinds.found.items():
            said = "\n".join(spell_kind(name, kind)).splitlines()
            self.lines.at_the_end(["", *said])
            self.lines.data.setdefault("kinds", {}).update(tomllib.loads("\n".join(said))["kinds"])
        self.lines.at_the_end([line for part in spell_alone(alone) for line in ("", *part.splitlines())])
        return self.lines.text(), count

    def _columns(self) -> None:
        names = list(self.given.implementations)
        for name, column in self.head.implementations.items():
            if column != self.given.implementations.get(name):
                self.lines.put(("implementations",), bare(name), spell_column(column), names)

    def _state_kinds(self, pairs: Sequence[tuple[Kind, Kind]]) -> None:
        """The table's own kinds that say the same in all their rows now get the new column's forms in their place."""
        wanted: dict[str, list[Kind]] = defaultdict(list)
        for old, new in pairs:
            wanted[old.name].append(new)
        dialect = self.head.implementations[self._new].dialect
        for name in self.kinds.taken & wanted.keys():
            new, *others = wanted[name]
            if new.name != name or any(other != new for other in others):
                continue
            self.stated[name] = new
            for role in new.roles:
                held = self.lines.data["kinds"][name].get(role, {})
                tensors = [tensor for tensor in new.tensors if tensor.stated == role]
                said = dict(spell_tensor(tensors)) if all(dialect in tensor.forms for tensor in tensors) else {}
                if dialect not in held and bare(dialect) in said:
                    self.lines.put(("kinds", name, role), bare(dialect), said[bare(dialect)], list(held))

    def _kind(self, old: Kind, new: Kind) -> str:
        return old.name if new in (old, self.stated.get(old.name)) else self.kinds.name(new)

    def _row(self, number: int, layers: Sequence[Layer], found: Sequence[Row | None]) -> list[dict[str, object]] | None:
        """Amend one row of the file; what it is now, as TOML reads it, where it had to be divided."""
        rows = [row for row in found if row is not None]
        if not rows:
            return None
        keys = [key_of(row, self._kind(layer.kind, row.kind)) for layer, row in zip(layers, found, strict=True) if row]
        cell = pattern_of([layer.variables for layer in layers], [row.cells[self._new] for row in rows])
        if len(rows) < len(layers) or cell is None or len({_without_sizes(key) for key in keys}) > 1:
            return self._divided(number, layers, found)
        here = ("layers", number)
        self.lines.put(here, bare(self._new), quoted(cell), list(self.given.implementations))
        if keys[0].kind != layers[0].kind.name:
            self.lines.put(here, "kind", quoted(keys[0].kind))
        self._sizes(here, layers[0], rows)
        if rows[0].without != layers[0].absent:
            self.lines.put(here, "without", listed(sorted(rows[0].without)), ("kind", "for", "sizes"))
        for role, (columns, because) in rows[0].only.items():
            self._only(here, role, sorted(columns), because, layers[0])
        if keys[0].doubt:
            self.lines.above(here, [doubtful(keys[0].doubt)])
        return None

    def _sizes(self, here: tuple[str, int], layer: Layer, rows: Sequence[Row]) -> None:
        """The row's own sizes, which may be names, and those that the new column needs or has otherwise."""
        stated = self.lines.data["layers"][here[1]].get("sizes", {})
        axes = rows[0].kind.axes
        sizes = {axis: value for axis, value in stated.items() if axis in axes}
        sizes.update({axis: value for axis, value in rows[0].sizes.items() if layer.sizes.get(axis) != value})
        if sizes != stated:
            text = ", ".join(f"{bare(axis)} = {spell_value(value)}" for axis, value in sizes.items())
            self.lines.put(here, "sizes", f"{{ {text} }}", ("kind", "for"))

    def _only(self, here: tuple[str, int], role: str, columns: Sequence[str], because: str, layer: Layer) -> None:
        if role not in layer.only:
            self.lines.below(here, list(spell_only(role, columns, because)))
            said = {"in": list(columns), "value": 0, "because": because}
            self.lines.data["layers"][here[1]].setdefault("only", {})[role] = said
        elif set(columns) != layer.only[role][0]:
            self.lines.put((*here, "only", role), "in", listed(columns))

    def _divided(self, number: int, layers: Sequence[Layer], found: Sequence[Row | None]) -> list[dict[str, object]]:
        """Several rows in place of one, each of layers that the new column has alike."""
        entries: list[tuple[RowKey, Mapping[str, str]]] = []
        for layer, row in zip(layers, found, strict=True):
            only = {role: (names, fill.because) for role, (names, fill) in layer.only.items()}
            own = row or Row(
                kind=layer.kind, cells=dict(layer.names), sizes=layer.sizes, without=layer.absent, only=only,
                gain=layer.gain,
            )  # fmt: skip
            entries.append((key_of(own, self._kind(layer.kind, own.kind)), own.cells))
        texts = ["\n".join(spell_row(key, folded)) for key, folded in fold(entries)]
        self.lines.instead(("layers", number), "\n\n".join(texts).splitlines())
        return [row for text in texts for row in tomllib.loads(text)["layers"]]


def _without_sizes(key: RowKey) -> tuple[object, ...]:
    """What layers of one row must have in common; a stated size may be another for each."""
    return key.kind, key.without, key.only, key.gain, key.doubt


def pattern_of(variables: Sequence[Mapping[str, str]], cells: Sequence[str]) -> str | None:
    """One text for all cells, over the variables that make each: ``block{n+1}.conv``. None where there is none.

    >>> pattern_of([{"n": "0"}, {"n": "1"}], ["conv_1", "conv_2"])
    'conv_{n+1}'
    """
    split = [_WORDS.findall(cell) for cell in cells]
    if len({len(words) for words in split}) > 1:
        return None
    told = [_word(variables, [words[place] for words in split]) for place in range(len(split[0]))]
    text = "".join(word for word in told if word is not None)
    used = all(f"{{{name}" in text for name in variables[0] if len({values[name] for values in variables}) > 1)
    return text if None not in told and used else None


def _word(variables: Sequence[Mapping[str, str]], words: Sequence[str]) -> str | None:
    if len(set(words)) == 1:
        return words[0]
    for name in variables[0]:
        values = [found[name] for found in variables]
        if values == list(words):
            return f"{{{name}}}"
        if all(text.isdecimal() and str(int(text)) == text for text in (*values, *words)):
            steps = {int(word) - int(value) for word, value in zip(words, values, strict=True)}
            if len(steps) == 1:
                return f"{{{name}{steps.pop():+d}}}"
    return None
