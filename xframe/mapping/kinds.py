"""Layer kinds: which tensors a layer has in each framework, and how their axes relate. The only place of transposes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from xframe.mapping.forms import Form, Spread, read_forms
from xframe.mapping.section import Section

# How a tensor is drawn when no weights are given, so that a right and a wrong port can be told apart.
DRAWS = ("kernel", "scale", "shift", "variance", "unit")
# Where an array of three dimensions or more has its features: behind the batch in some frameworks and last in others,
# or last in all of them.
AXES = ("channels", "sequence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """How a framework writes state-dict names, where it puts the channels, and what files it loads by itself.

    The first of ``extensions`` is what a port into this framework writes by default.
    """

    name: str
    separator: str
    channels: str
    extensions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """What a tensor holds where the other side has none, and whether a tensor that holds something else may go.

    ``discard`` says that the tensor never carries a weight. ``fold_into`` names the batch norm, in the same
    implementation, whose running mean can take the values over: BN(x + b; mean) = BN(x; mean − b). ``add_to`` names the
    tensor of the same layer that the values can be added to, for the layer only uses the sum.
    """

    value: float
    because: str
    discard: bool = False
    fold_into: str | None = None
    add_to: str | None = None

    @property
    def folds(self) -> bool:
        """Whether another tensor can take the values over."""
        return self.fold_into is not None or self.add_to is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class KindTensor:
    """One tensor of a kind: per dialect its name within the layer and its axes.

    Where a dialect keeps several of these as blocks of one tensor, or one under several names, ``role`` tells them
    apart; ``stated`` is what kinds.toml calls them. ``again`` is set where it is another name of the tensor before it.
    ``sums`` are the axes over which an output sums; by default all but ``out`` and those of blocks.
    """

    role: str
    stated: str
    draw: str
    dtype: str | None
    forms: Mapping[str, Form]
    fill: Fill | None
    again: bool = False
    sums: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A layer kind. One without tensors, a pool for one, has a name only where it is a layer of its own.

    ``output`` is one of AXES: where the features of what it gives are.
    """

    name: str
    summary: str
    tensors: tuple[KindTensor, ...]
    output: str = AXES[0]

    @property
    def roles(self) -> tuple[str, ...]:
        """What its tensors are called in kinds.toml."""
        return tuple(dict.fromkeys(tensor.stated for tensor in self.tensors))

    @property
    def axes(self) -> frozenset[str]:
        """Every axis that some tensor of the kind has and that has a length, not blocks."""
        patterns = (form.pattern for tensor in self.tensors for form in tensor.forms.values())
        return frozenset(axis for pattern in patterns for axis in pattern.axes if axis not in pattern.blocks)


@dataclass(frozen=True, slots=True)
class Kinds:
    """All kinds and frameworks of one kinds.toml."""

    frameworks: Mapping[str, Framework]
    kinds: Mapping[str, Kind]

    def extended(self, own: Mapping[str, Kind]) -> Kinds:
        """These kinds and a table's own ones, which go first."""
        return Kinds(self.frameworks, MappingProxyType({**self.kinds, **own}))


def read_kinds(root: Section) -> Kinds:
    """Read a whole kinds.toml: ``[frameworks]``, then a table per kind under ``[kinds]``."""
    frameworks = {name: _framework(name, section) for name, section in root.section("frameworks").children()}
    kinds = read_kind_tables(root.section("kinds"))
    root.finish()
    return Kinds(MappingProxyType(frameworks), MappingProxyType(kinds))


def read_kind_tables(section: Section) -> dict[str, Kind]:
    """Read ``[kinds.<name>]`` tables, in kinds.toml or in an architecture's own file."""
    return {name: _kind(name, child) for name, child in section.children()}


def _framework(name: str, section: Section) -> Framework:
    framework = Framework(
        name=name,
        separator=section.require("separator", str, "."),
        channels=section.require("channels", str, "first"),
        extensions=section.texts("extensions"),
    )
    if not framework.extensions:
        section.problem("expected the extensions of the files that the framework loads", "extensions")
    if framework.channels not in ("first", "last"):
        section.problem(f"channels are 'first' or 'last', found '{framework.channels}'", "channels")
    section.finish()
    return framework


def _kind(name: str, section: Section) -> Kind:
    summary = section.require("summary", str, "")
    output = section.choice("output", AXES)
    stated = list(section.children("summary", "tensors", "output"))
    tensors = tuple(tensor for role, child in stated for tensor in _tensors(role, child))
    if section.take("tensors", bool, default=True) != bool(stated):
        section.problem(f"the kind '{name}' has no tensors, which `tensors = false` says of a kind")
    kind = Kind(name=name, summary=summary, tensors=tensors, output=output)
    _check_sums(section, kind)
    return kind


def _check_sums(section: Section, kind: Kind) -> None:
    for tensor in kind.tensors:
        added = tensor.fill.add_to if tensor.fill is not None else None
        if added is not None and (added not in kind.roles or added == tensor.stated):
            section.problem(f"'{added}' is no other tensor of the kind", tensor.stated, "fill", "add_to")
        for axis in tensor.sums or ():
            if not all(axis in form.pattern.axes for form in tensor.forms.values()):
                section.problem(f"not every dialect has an axis '{axis}'", tensor.stated, "sums")


def _tensors(role: str, section: Section) -> list[KindTensor]:
    """The tensor ``role``; several where a dialect splits it or has several names for it."""
    draw = section.take("draw", str, "shift")
    if draw not in DRAWS:
        section.problem(f"unknown draw '{draw}'", "draw", suggestion=f"known: {', '.join(DRAWS)}")
    dtype = section.take("dtype", str, "") or None
    fill = read_fill(section.section("fill")) if "fill" in section.data else None
    sums = section.texts("sums") or None
    return [
        KindTensor(
            role=_told_apart(role, spread),
            stated=role,
            draw=draw,
            dtype=dtype,
            forms=spread.forms,
            fill=fill,
            again=bool(spread.again),
            sums=sums,
        )
        for spread in read_forms(section, "draw", "dtype", "fill", "sums")
    ]


def _told_apart(role: str, spread: Spread) -> str:
    """``weight``, ``weight q``, ``weight as 0.cell.weight_ih``."""
    return " ".join((role, *spread.words, *(("as", spread.again) if spread.again else ())))


def read_fill(section: Section) -> Fill:
    """``{ value = 0, because = "…", discard = true, fold_into = "net.0.1", add_to = "bias_ih" }``."""
    value = section.data.get("value")
    section.asked.add("value")
    if not isinstance(value, int | float) or isinstance(value, bool):
        section.problem(f"expected a number in 'value', found {value!r}", "value")
        value = 0
    fill = Fill(
        value=float(value),
        because=section.require("because", str, ""),
        discard=section.take("discard", bool, default=False),
        fold_into=section.take("fold_into", str, "") or None,
        add_to=section.take("add_to", str, "") or None,
    )
    if fill.folds and fill.value:
        section.problem("only a fill of 0 leaves the other tensor as it is", "value")
    section.asked |= {"only"}
    section.finish()
    return fill
