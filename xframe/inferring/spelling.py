"""How what a table says is written in TOML: columns, rows, kinds, values."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from xframe.builds import NOTHING
from xframe.inferring.folding import Folded
from xframe.inferring.parts import Part
from xframe.mapping import Implementation, Kind, KindTensor
from xframe.mapping.table import OUTPUTS


@dataclass(frozen=True, slots=True)
class RowKey:
    """What rows have in common that can be one; ``doubt`` keeps a doubtful one by itself."""

    kind: str
    sizes: tuple[tuple[str, int], ...]
    without: tuple[str, ...]
    only: tuple[tuple[str, tuple[str, ...], str], ...]
    gain: float
    doubt: str


def spell_column(column: Implementation) -> str:
    """``{ build = "net:Net", … }``."""
    said = ["weights_only = true" if column.build == NOTHING else f"build = {quoted(column.build.said)}"]
    if column.dialect != column.framework.name:
        said.append(f"dialect = {quoted(column.dialect)}")
    if column.options:
        said.append(f"options = {listed(column.options)}")
    if column.fixed:
        said.append(
            "with = { " + ", ".join(f"{name} = {spell_value(value)}" for name, value in column.fixed.items()) + " }"
        )
    if column.output != OUTPUTS[0]:
        said.append(f"output = {quoted(column.output)}")
    return "{ " + ", ".join(said) + " }"


def spell_row(key: RowKey, row: Folded) -> Iterator[str]:
    """The lines of a row, from its comment to its last table."""
    if key.doubt:
        yield doubtful(key.doubt)
    yield "[[layers]]"
    lines = [("kind", quoted(key.kind))]
    if row.loops:
        lines.append(
            ("for", "{ " + ", ".join(f"{name} = {_loop(values)}" for name, values in row.loops.items()) + " }")
        )
    if key.sizes:
        lines.append(("sizes", "{ " + ", ".join(f"{axis} = {length}" for axis, length in key.sizes) + " }"))
    if key.without:
        lines.append(("without", listed(key.without)))
    if key.gain != 1.0:
        lines.append(("gain", f"{key.gain:g}"))
    lines += [(bare(column), quoted(cell)) for column, cell in row.names.items()]
    yield from aligned(lines)
    for role, columns, because in key.only:
        yield from spell_only(role, columns, because)


def spell_only(role: str, columns: Iterable[str], because: str) -> Iterator[str]:
    """The lines that say which columns have a tensor that others lack, behind an empty one."""
    yield ""
    yield f"  [layers.only.{bare(role)}]"
    yield from aligned([("in", listed(columns)), ("value", "0"), ("because", quoted(because))], indent="  ")


def doubtful(doubt: str) -> str:
    """The comment on a row that is in doubt."""
    return f"# doubtful: {one_line(doubt)}"


def _loop(values: tuple[int, ...]) -> str:
    if values == tuple(range(values[0], values[-1] + 1)):
        return f'"{values[0]}..{values[-1]}"'
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"


def spell_kind(name: str, kind: Kind) -> Iterator[str]:
    """The lines of a kind."""
    yield f"[kinds.{bare(name)}]"
    lines = [("summary", quoted(kind.summary))]
    if kind.output != "channels":
        lines.append(("output", quoted(kind.output)))
    yield from aligned(lines)
    for stated in kind.roles:
        tensors = [tensor for tensor in kind.tensors if tensor.stated == stated]
        yield f"\n  [kinds.{bare(name)}.{bare(stated)}]"
        yield from aligned(list(spell_tensor(tensors)), indent="  ")


def spell_tensor(tensors: Sequence[KindTensor]) -> Iterator[tuple[str, str]]:
    """One tensor of a kind, or the blocks of one: how it is drawn, then its names and axes."""
    first = tensors[0]
    if first.draw != "shift":
        yield "draw", quoted(first.draw)
    if first.dtype is not None:
        yield "dtype", quoted(first.dtype)
    for dialect in first.forms:
        name = _spelt([tensor.forms[dialect].name for tensor in tensors], _words(tensors))
        yield bare(dialect), f"{{ {bare(name)} = {quoted(first.forms[dialect].pattern.text)} }}"
    if first.sums:
        yield "sums", listed(first.sums)
    if first.fill is not None:
        discard = ", discard = true" if first.fill.discard else ""
        yield "fill", f"{{ value = {first.fill.value:g}{discard}, because = {quoted(first.fill.because)} }}"


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


def spell_alone(alone: Mapping[str, Sequence[Part]]) -> Iterator[str]:
    """Comments on the parts of each column that have no counterpart."""
    for column, parts in alone.items():
        if parts:
            names = "\n".join(f"#   {one_line(part.called)}  {one_line(described(part))}" for part in parts)
            yield f"# No counterpart was found for these layers of {one_line(column)}:\n{names}"


def one_line(text: str) -> str:
    """A text as a comment can have it: a name with a line break in it must not end the comment."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def described(part: Part) -> str:
    """Its class and its tensors' shapes, for people."""
    shapes = ", ".join(f"{own} {'×'.join(map(str, spec.shape)) or 'scalar'}" for own, spec in part.tensors.items())
    return f"{part.class_}: {shapes}" if part.class_ else shapes


def aligned(lines: Sequence[tuple[str, str]], indent: str = "") -> Iterator[str]:
    """Keys and values, a line each, with their equals signs below each other."""
    width = max((len(key) for key, _ in lines if not key.startswith('"')), default=0)
    return (f"{indent}{key:<{width}} = {value}" for key, value in lines)


def listed(texts: Iterable[str]) -> str:
    """An array of strings."""
    return f"[{', '.join(map(quoted, texts))}]"


def quoted(text: str) -> str:
    """A string; what cannot be printed is escaped."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def spell_value(value: object) -> str:
    """A number, a text, true or false."""
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def bare(key: str) -> str:
    """A key as TOML wants it: in quotes where it is more than a word."""
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else quoted(key)
