"""How a tensor of a kind is written in each dialect: its names, its axes, and which of its blocks are tensors."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from xframe.layouts import AxisPattern, Words
from xframe.mapping.section import Section

_PART = re.compile(r"\{\s*(\w+)((?:\s+\w+=\w+)*)\s*\}")  # {part}, or {part q=query k=key v=value}
_SEVERAL = ", "
Blocks = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A tensor in one dialect: its name within the layer, and its axes.

    ``part`` says which block it is of the tensor that has that name. ``same_as`` is the first name of a tensor that the
    state dict lists under several.
    """

    name: str
    pattern: AxisPattern
    part: Words = field(default_factory=dict)
    same_as: str | None = None


@dataclass(frozen=True, slots=True)
class _Written:
    """A dialect's line: one name or several for the same tensor, with the axes in braces along which it is split."""

    names: tuple[str, ...]
    pattern: AxisPattern

    @property
    def split(self) -> set[str]:
        """The axes in the names."""
        return {axis for name in self.names for axis in _spellings(name)}


def _spellings(name: str) -> dict[str, dict[str, str]]:
    """The axes in one name, and how it spells their blocks where it does not take the words as they are."""
    return {axis: _spelling(spelt) for axis, spelt in _PART.findall(name)}


def _spelling(text: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in text.split())


@dataclass(frozen=True, slots=True)
class Spread:
    """One tensor as planning sees it: a block of what a dialect may keep in one tensor, under one name in each.

    ``words`` are the blocks; ``again`` says that it is another name of a tensor that has been spread before.
    """

    words: tuple[str, ...]
    forms: Mapping[str, Form]
    again: str = ""


def read_forms(section: Section, *beside: str) -> list[Spread]:
    """The dialects of one tensor, ``paddle = { weight = "in out" }``; problems are recorded in ``section``."""
    written = {}
    for dialect, child in section.children(*beside):
        form = _written(child)
        if form is not None:
            written[dialect] = form
    blocks = _blocks(section, written)
    split = sorted({axis for form in written.values() for axis in form.split})
    wrong = [axis for axis in split if not _is_split_well(section, axis, blocks, written)]
    if wrong:
        return []
    found = [
        spread
        for words in itertools.product(*(blocks[axis] for axis in split))
        for spread in _spread(written, dict(zip(split, words, strict=True)))
    ]
    _check_axes(section, found)
    return found


def _written(section: Section) -> _Written | None:
    """``{ kernel = "kh kw in out" }``: the tensor's name in this dialect and its axes."""
    if len(section.data) != 1:
        section.problem('expected one `name = "axes"`')
        return None
    name = next(iter(section.data))
    text = section.require(name, str, "")
    pattern = section.attempt(lambda: AxisPattern.parse(text), None, name)
    if pattern is None:
        return None
    names = tuple(name.split(_SEVERAL))
    if re.search(r"[{}]", _PART.sub("", name)) or len(set(names)) < len(names):
        section.problem(f"'{name}' is no name: expected names as in '{{part}}_proj.weight' or 'one, another'", name)
        return None
    return _Written(names, pattern)


def _blocks(section: Section, written: Mapping[str, _Written]) -> dict[str, tuple[str, ...]]:
    """The blocks of every axis that has some. All dialects must name the same ones."""
    found: dict[str, tuple[str, ...]] = {}
    for form in written.values():
        for axis, words in form.pattern.blocks.items():
            found.setdefault(axis, words)
    for dialect, form in written.items():
        for axis, words in found.items():
            named = form.pattern.blocks.get(axis, ())
            if axis in form.pattern.axes and set(named) != set(words):
                told = f"{' '.join(words)} and {' '.join(named) or 'none'}"
                section.problem(f"the dialects do not name the same blocks of '{axis}' ({told})", dialect)
    return found


def _is_split_well(section: Section, axis: str, blocks: Blocks, written: Mapping[str, _Written]) -> bool:
    """Whether the blocks of an axis in a name are known, and spelt one by one where they have names of their own."""
    if axis not in blocks:
        section.problem(f"the axis '{axis}' is in a name, but no dialect lists its blocks, as in '{axis}[a b]'")
        return False
    wrong = {dialect: told for dialect, form in written.items() if (told := _wrong_split(axis, blocks[axis], form))}
    for dialect, told in wrong.items():
        section.problem(told, dialect)
    return not wrong


def _wrong_split(axis: str, blocks: tuple[str, ...], form: _Written) -> str | None:
    if axis not in form.split:
        named = axis in form.pattern.axes
        return (
            None if named else f"the blocks of '{axis}' are neither in the name nor among the axes: {' '.join(blocks)}"
        )
    if axis in form.pattern.axes:
        return f"the axis '{axis}' is in the name, so it cannot be among the axes too"
    spelt = [_spellings(name).get(axis) for name in form.names]
    if None in spelt:
        return f"'{axis}' must be in each of the tensor's names"
    if any(words and (set(words) != set(blocks) or len(set(words.values())) < len(words)) for words in spelt):
        return f"expected a spelling of its own for each of {' '.join(blocks)}"
    return None


def _spread(written: Mapping[str, _Written], words: Words) -> Iterator[Spread]:
    """One combination of blocks: the tensor under its first names, then under each further name."""
    named = {dialect: [_spelt(name, words) for name in form.names] for dialect, form in written.items()}
    first = {dialect: _form(written[dialect], names[0], words) for dialect, names in named.items()}
    yield Spread(tuple(words.values()), MappingProxyType(first))
    for dialect, (one, *others) in named.items():
        for other in others:
            again = _form(written[dialect], other, words, same_as=one)
            yield Spread(tuple(words.values()), MappingProxyType({**first, dialect: again}), other)


def _form(written: _Written, name: str, words: Words, *, same_as: str | None = None) -> Form:
    part = {axis: word for axis, word in words.items() if axis in written.pattern.axes}
    return Form(name=name, pattern=written.pattern, part=MappingProxyType(part), same_as=same_as)


def _spelt(name: str, words: Words) -> str:
    return _PART.sub(lambda match: _spelling(match[2]).get(words[match[1]], words[match[1]]), name)


def _check_axes(section: Section, spread: Sequence[Spread]) -> None:
    """All dialects of one tensor must name the same axes, or there is no way from one to the other."""
    for found in spread:
        forms = found.forms
        if len({frozenset(form.pattern.without(form.part).axes) for form in forms.values()}) > 1:
            texts = ", ".join(f"{dialect}: '{form.pattern.text}'" for dialect, form in forms.items())
            section.problem(f"the dialects do not name the same axes ({texts})")
