"""Several linear layers that read the same, written as one on the other side: queries, keys and values, say."""

from __future__ import annotations

import itertools
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from xframe.errors import Problem
from xframe.inferring.own_kinds import Ends
from xframe.inferring.parts import Part
from xframe.mapping import Implementation, Kind
from xframe.mapping.kinds import read_kind_tables
from xframe.mapping.places import Places
from xframe.mapping.section import Section
from xframe.mapping.table import OWN
from xframe.tensors import Array

_PLAIN, _BY_HEAD = "(part[{words}] out)", "(heads part[{words}] key)"
_MOST = 4  # layers in one
_HEADS = (2, 3, 4, 6, 8, 12, 16, 24, 32)  # tried besides what a model says, for blocks that lie head by head


@dataclass(frozen=True, slots=True)
class Fusion:
    """How the outputs of several layers lie in those of one: block behind block, or so in every head."""

    order: tuple[int, ...]
    heads: int = 0

    def joined(self, outputs: Sequence[Array]) -> Array:
        """What the one layer gives, from what each of the several does; features last."""
        parts = [outputs[index] for index in self.order]
        if not self.heads:
            return np.concatenate(parts, -1)
        split = [part.reshape(*part.shape[:-1], self.heads, -1) for part in parts]
        stacked = np.stack(split, -2)
        return stacked.reshape(*stacked.shape[:-3], -1)


def composed(parts: Sequence[Part], others: Sequence[Part], separator: str) -> list[Part]:
    """Parts of which several that read the same are one, where the other side has one as large and too few single ones.

    The one's ``members`` are the several, in the order in which they run.
    """
    found = list(parts)
    for group in _groups(parts, separator):
        needed = sum(part.signature == group[0].signature for part in found)
        single = [part for part in others if _widths(part) == _widths(group[0])]
        if len(single) < needed and any(_is_as_wide(part, group) for part in others):
            whole = _whole(group, separator)
            place = found.index(group[0])
            found = [part for part in found if part not in group]
            found.insert(place, whole)
    return found


def _groups(parts: Sequence[Part], separator: str) -> Iterator[list[Part]]:
    """Linear layers of one shape beside each other that read the same."""
    found: dict[object, list[Part]] = defaultdict(list)
    for part in parts:
        if part.read and _widths(part) and OWN not in part.cell:
            found[part.cell.rpartition(separator)[0], part.read, part.signature].append(part)
    return (group for group in found.values() if 1 < len(group) <= _MOST)


def _widths(part: Part) -> tuple[int, int] | None:
    """How many features a linear layer reads and gives; None for anything else."""
    for reading in part.readings:
        if reading.kind.name == "linear" and not reading.view:
            form = reading.forms["weight"]
            lengths = dict(zip(form.pattern.axes, part.shapes[form.name], strict=True))
            return lengths["in"], lengths["out"]
    return None


def _is_as_wide(part: Part, group: Sequence[Part]) -> bool:
    here, there = _widths(part), _widths(group[0])
    return here is not None and there is not None and here == (there[0], there[1] * len(group))


def _whole(group: Sequence[Part], separator: str) -> Part:
    parent = group[0].cell.rpartition(separator)[0]
    tensors = {
        f"{part.cell.removeprefix(parent).removeprefix(separator)}{separator}{own}": spec
        for part in group
        for own, spec in part.tensors.items()
    }
    return Part(
        cell=f"{parent}{separator}{OWN}" if parent else OWN, layer="", class_="", tensors=tensors, readings=(),
        calls=group[-1].calls, members=tuple(group),
    )  # fmt: skip


def fusions(
    source: Part, target: Part, ends: Ends, heads: Sequence[int]
) -> Iterator[tuple[Kind, Fusion, dict[str, int]]]:
    """Every way in which several are one: the kind that says it, and the lengths that a row has to state."""
    split = 0 if source.members else 1
    several, one = (source, target) if source.members else (target, source)
    widths = _widths(one)
    if not several.members or one.members or widths is None or not _is_as_wide(one, several.members):
        return
    width = widths[1] // len(several.members)
    for order in itertools.permutations(range(len(several.members))):
        for number in (
            0,
            *(number for number in dict.fromkeys((*heads, *_HEADS)) if number < width and width % number == 0),
        ):
            text = _text(several, one, (ends[split], ends[1 - split]), order, by_head=bool(number))
            sizes = {"heads": number, "key": width // number} if number else {}
            yield _kind(text), Fusion(order, number), sizes


def _text(several: Part, one: Part, ends: Ends, order: Sequence[int], *, by_head: bool) -> str:
    """The kind as TOML: block by block on the one side, each a tensor of its own on the other."""
    here, there = ends
    words = [f"part{index + 1}" for index in range(len(order))]
    names = [member.cell.rpartition(here.framework.separator)[2] for member in several.members]
    named = " ".join(f"{words[place]}={names[index]}" for place, index in enumerate(order))
    blocks, out = (_BY_HEAD, "(heads key)") if by_head else (_PLAIN, "out")
    joined = blocks.format(words=" ".join(words))
    lines = [f"[{_name(order, by_head=by_head)}]", 'summary = "several linear layers as one"', 'output  = "sequence"']
    for role in _roles(several.members[0]):
        own, other = _own(several.members[0], role), _own(one, role)
        axes = (_axes(here, out), _axes(there, joined)) if role == "weight" else (out, joined)
        own_name = f'"{{part {named}}}{here.framework.separator}{own}"'
        lines += ["", f"  [{_name(order, by_head=by_head)}.{role}]"]
        lines += ['  draw = "kernel"', '  sums = ["in"]'] if role == "weight" else []
        lines.append(f'  "{here.dialect}" = {{ {own_name} = "{axes[0]}" }}')
        lines.append(f'  "{there.dialect}" = {{ {other} = "{axes[1]}" }}')
    return "\n".join(lines)


def _name(order: Sequence[int], *, by_head: bool) -> str:
    return f"fused_{''.join(str(index + 1) for index in order)}{'_by_head' if by_head else ''}"


def _roles(part: Part) -> list[str]:
    return list(part.readings[0].forms)


def _own(part: Part, role: str) -> str:
    return part.readings[0].forms[role].name


def _axes(end: Implementation, out: str) -> str:
    return f"{out} in" if end.framework.name == "torch" else f"in {out}"


@lru_cache(maxsize=256)
def _kind(text: str) -> Kind:
    """The kind that a text states, as a table with it would be read; one object for each text."""
    problems: list[Problem] = []
    (kind,) = read_kind_tables(Section(tomllib.loads(text), (), Places.of("inferred", text), problems)).values()
    assert not problems, problems
    return kind
