"""Kinds that a table states itself: a layer seen as another, a dialect that its column does not speak, raw tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from xframe.inferring.readings import Reading
from xframe.layouts import AxisPattern
from xframe.mapping import Implementation
from xframe.mapping.forms import Form
from xframe.mapping.kinds import Kind, KindTensor

if TYPE_CHECKING:
    from xframe.inferring.parts import Part

Ends = tuple[Implementation, Implementation]


def kind_between(one: Reading, other: Reading, ends: Ends) -> Kind:
    """The kind of both, or one of the table's own where either part has other forms than its framework."""
    if _is_plain(one, ends[0]) and _is_plain(other, ends[1]):
        return one.kind
    tensors = tuple(
        replace(tensor, forms=MappingProxyType(forms))
        for tensor in one.kind.tensors
        if (forms := dict(_forms(tensor, (one, other), ends)))
    )
    said = one.view or other.view or f"as {next(seen.dialect for seen in (one, other) if '/' in seen.dialect)} has it"
    name = f"{one.kind.name}_{_word(one, other)}"
    return replace(one.kind, name=name, summary=f"{one.kind.name}: {said}", tensors=tensors)


def _is_plain(reading: Reading, end: Implementation) -> bool:
    return not reading.view and reading.dialect == end.framework.name


def _forms(tensor: KindTensor, seen: tuple[Reading, Reading], ends: Ends) -> list[tuple[str, Form]]:
    """Each column's form; of a framework that both are of, under the columns' own names."""
    found = []
    for reading, end in zip(seen, ends, strict=True):
        form = reading.forms.get(tensor.role) or (None if reading.view else end.form(tensor))
        if form is not None:
            found.append((end.dialect, form))
    return found


def _word(one: Reading, other: Reading) -> str:
    """What tells the kind from the one that it is like."""
    seen = one if one.view or "/" in one.dialect else other
    text = seen.view or seen.dialect.partition("/")[2]
    return "_".join(
        word for word in "".join(letter if letter.isalnum() else " " for letter in text.replace("×", "x")).split()
        if word not in ("a", "of", "as")
    )  # fmt: skip


def kind_of_raw(
    source: Part, target: Part, pairs: Sequence[tuple[str, str]], turns: Sequence[tuple[int, ...]], ends: Ends
) -> Kind:
    """A kind for tensors that no kind knows: each is itself on the other side, its axes in the order of ``turns``."""
    tensors = []
    for (one, other), turn in zip(pairs, turns, strict=True):
        axes = [f"axis{index}" for index in range(len(turn))]
        patterns = " ".join(axes), " ".join(axes[index] for index in turn)
        forms = {
            end.dialect: Form(name=name, pattern=AxisPattern.parse(pattern))
            for end, name, pattern in zip(ends, (one, other), patterns, strict=True)
        }
        draw = "kernel" if len(turn) > 1 else "scale"
        tensors.append(
            KindTensor(role=one, stated=one, draw=draw, dtype=None, forms=MappingProxyType(forms), fill=None)
        )
    name = _snake(source.class_ or target.class_ or "parameters")
    return Kind(name=name, summary=f"{source.class_ or source.called}: its own tensors", tensors=tuple(tensors))


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).strip("_") or "parameters"
