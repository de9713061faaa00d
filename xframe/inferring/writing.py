"""The table as a text: rows folded, kinds of its own, a comment on each doubtful row, and what has no counterpart."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from xframe.builds import NOTHING, Build
from xframe.inferring.folding import Folded, fold
from xframe.inferring.parts import Part
from xframe.inferring.rows import Row
from xframe.mapping import Implementation, Kind, Kinds, KindTensor, Table
from xframe.mapping.table import OUTPUTS


@dataclass(slots=True)
class OwnKinds:
    """The kinds that the table states itself, each once; one of another content under the same name is numbered."""

    known: Kinds
    found: dict[str, Kind] = field(default_factory=dict)

    def name(self, kind: Kind) -> str:
        """What the kind is called in the table."""
        if self.known.kinds.get(kind.name) == kind:
            return kind.name
        content = _content(kind)
        for number in range(1, len(self.found) + 2):
            name = kind.name if number == 1 else f"{kind.name}_{number}"
            if name not in self.known.kinds and (name not in self.found or _content(self.found[name]) == content):
                self.found.setdefault(name, replace(kind, name=name))
                return name
        raise AssertionError("every number is taken")


def written(table: Table, rows: Sequence[Row], alone: Mapping[str, Sequence[Part]], known: Kinds) -> tuple[str, int]:
    """The whole text, and how many rows it has after folding. ``table`` has the columns, the input and the options.

    ``alone`` are the parts of each column that have no counterpart.
    """
    kinds = OwnKinds(known)
    folded = fold([(_key(row, kinds), row.cells) for row in rows])
    parts = [
        "\n".join(_head(table)),
        *("\n".join(_row(key, row)) for key, row in folded),
        *("\n".join(_kind(name, kind)) for name, kind in kinds.found.items()),
        *_alone(alone),
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


@dataclass(frozen=True, slots=True)
class _Key:
    """What rows have in common that can be one; ``doubt`` keeps a doubtful one by itself."""

    kind: str
    sizes: tuple[tuple[str, int], ...]
    without: tuple[str, ...]
    only: tuple[tuple[str, tuple[str, ...], str], ...]
    gain: float
    doubt: str


def _key(row: Row, kinds: OwnKinds) -> _Key:
    only = tuple((role, tuple(sorted(names)), because) for role, (names, because) in sorted(row.only.items()))
    sizes, without = tuple(sorted(row.sizes.items())), tuple(sorted(row.without))
    return _Key(kinds.name(row.kind), sizes, without, only, row.gain, row.doubt)


def _head(table: Table) -> Iterator[str]:
    yield f"summary = {_text(table.summary)}"
    lengths = ", ".join(str(length) for length in table.input)
    yield f"input   = [{lengths}]"
    if table.tokens is not None:
        yield f"tokens  = {table.tokens}"
    elif table.input_axes != "channels":
        yield f"input_axes = {_text(table.input_axes)}"
    if table.output_axes != table.input_axes:
        yield f"output_axes = {_text(table.output_axes)}"
    if table.options:
        yield ""
        yield "[options]"
        yield from (f"{name} = {_value(value)}" for name, value in table.options.items())
    yield ""
    yield "[implementations]"
    yield from _aligned([(_bare(name), _implementation(column)) for name, column in table.implementations.items()])
    for difference in table.differences:
        yield ""
        yield "[[differences]]"
        yield from _aligned([("of", _list(sorted(difference.of))), ("says", _text(difference.says))])


def _implementation(column: Implementation) -> str:
    said = ["weights_only = true" if column.build == NOTHING else f"build = {_text(column.build.said)}"]
    if column.dialect != column.framework.name:
        said.append(f"dialect = {_text(column.dialect)}")
    if column.options:
        said.append(f"options = {_list(column.options)}")
    if column.fixed:
        said.append("with = { " + ", ".join(f"{name} = {_value(value)}" for name, value in column.fixed.items()) + " }")
    if column.output != OUTPUTS[0]:
        said.append(f"output = {_text(column.output)}")
    return "{ " + ", ".join(said) + " }"


def _row(key: _Key, row: Folded) -> Iterator[str]:
    if key.doubt:
        yield f"# doubtful: {key.doubt}"
    yield "[[layers]]"
    lines = [("kind", _text(key.kind))]
    if row.loops:
        lines.append(
            ("for", "{ " + ", ".join(f"{name} = {_loop(values)}" for name, values in row.loops.items()) + " }")
        )
    if key.sizes:
        lines.append(("sizes", "{ " + ", ".join(f"{axis} = {length}" for axis, length in key.sizes) + " }"))
    if key.without:
        lines.append(("without", _list(key.without)))
    if key.gain != 1.0:
        lines.append(("gain", f"{key.gain:g}"))
    lines += [(_bare(column), _text(cell)) for column, cell in row.names.items()]
    yield from _aligned(lines)
    for role, columns, because in key.only:
        yield f"\n  [layers.only.{_bare(role)}]"
        said = [("in", _list(columns)), ("value", "0"), ("because", _text(because))]
        yield from _aligned(said, indent="  ")


def _loop(values: tuple[int, ...]) -> str:
    if values == tuple(range(values[0], values[-1] + 1)):
        return f'"{values[0]}..{values[-1]}"'
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"


def _kind(name: str, kind: Kind) -> Iterator[str]:
    yield f"[kinds.{_bare(name)}]"
    lines = [("summary", _text(kind.summary))]
    if kind.output != "channels":
        lines.append(("output", _text(kind.output)))
    yield from _aligned(lines)
    for stated in kind.roles:
        tensors = [tensor for tensor in kind.tensors if tensor.stated == stated]
        yield f"\n  [kinds.{_bare(name)}.{_bare(stated)}]"
        yield from _aligned(list(_tensor(tensors)), indent="  ")


def _tensor(tensors: Sequence[KindTensor]) -> Iterator[tuple[str, str]]:
    """One tensor of a kind, or the blocks of one: how it is drawn, then its names and axes."""
    first = tensors[0]
    if first.draw != "shift":
        yield "draw", _text(first.draw)
    if first.dtype is not None:
        yield "dtype", _text(first.dtype)
    for dialect in first.forms:
        name = _spelt([tensor.forms[dialect].name for tensor in tensors], _words(tensors))
        yield _bare(dialect), f"{{ {_bare(name)} = {_text(first.forms[dialect].pattern.text)} }}"
    if first.sums:
        yield "sums", _list(first.sums)
    if first.fill is not None:
        discard = ", discard = true" if first.fill.discard else ""
        yield "fill", f"{{ value = {first.fill.value:g}{discard}, because = {_text(first.fill.because)} }}"


def _words(tensors: Sequence[KindTensor]) -> tuple[str, list[str]]:
    """The axis whose blocks these tensors are, and each one's word."""
    parts = [next((form.part for form in tensor.forms.values() if form.part), {}) for tensor in tensors]
    axis = next(iter(parts[0]), "")
    return axis, [part[axis] for part in parts if axis]


def _spelt(names: Sequence[str], words: tuple[str, Sequence[str]]) -> str:
    """One name for all blocks: ``{part q=query k=key}.weight`` where each has a tensor of its own."""
    if len(set(names)) == 1:
        return names[0]
    start = _shared(names)
    end = _shared([name[len(start) :][::-1] for name in names])[::-1]
    spelt = (name[len(start) : len(name) - len(end)] for name in names)
    said = " ".join(f"{word}={own}" for word, own in zip(words[1], spelt, strict=True))
    return f"{start}{{{words[0]} {said}}}{end}"


def _shared(texts: Sequence[str]) -> str:
    """What all of these begin with."""
    alike = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*texts, strict=False))
    return "".join(letters[0] for letters in alike)


def _content(kind: Kind) -> Hashable:
    return tuple(
        (tensor.role, tuple((dialect, form.name, form.pattern.text) for dialect, form in tensor.forms.items()))
        for tensor in kind.tensors
    )


def _alone(alone: Mapping[str, Sequence[Part]]) -> Iterator[str]:
    for column, parts in alone.items():
        if parts:
            names = "\n".join(f"#   {part.cell or '(the model itself)'}  {described(part)}" for part in parts)
            yield f"# No counterpart was found for these layers of {column}:\n{names}"


def described(part: Part) -> str:
    """Its class and its tensors' shapes, for people."""
    shapes = ", ".join(f"{own} {'×'.join(map(str, spec.shape)) or 'scalar'}" for own, spec in part.tensors.items())
    return f"{part.class_}: {shapes}" if part.class_ else shapes


def _aligned(lines: Sequence[tuple[str, str]], indent: str = "") -> Iterator[str]:
    width = max((len(key) for key, _ in lines if not key.startswith('"')), default=0)
    return (f"{indent}{key:<{width}} = {value}" for key, value in lines)


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, texts))}]"


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _value(value: object) -> str:
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _bare(key: str) -> str:
    """A key as TOML wants it: in quotes where it is more than a word."""
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _text(key)
