"""Layer kinds: which tensors a layer has in each framework, and how their axes relate. The only place of transposes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from xframe.layouts import AxisPattern
from xframe.mapping.section import Section

# How a tensor is drawn when no weights are given, so that a right and a wrong port can be told apart.
DRAWS = ("kernel", "scale", "shift", "variance")


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
    implementation, whose running mean can take the values over: BN(x + b; mean) = BN(x; mean − b).
    """

    value: float
    because: str
    discard: bool = False
    fold_into: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KindTensor:
    """One tensor of a kind: per dialect its name within the layer and its axes."""

    role: str
    draw: str
    dtype: str | None
    forms: Mapping[str, tuple[str, AxisPattern]]
    fill: Fill | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A layer kind. One without tensors, a pool for one, has a name only where it is a layer of its own."""

    name: str
    summary: str
    tensors: tuple[KindTensor, ...]

    @property
    def roles(self) -> tuple[str, ...]:
        return tuple(tensor.role for tensor in self.tensors)

    @property
    def axes(self) -> frozenset[str]:
        """Every axis that some tensor of the kind has."""
        return frozenset(a for tensor in self.tensors for _, pattern in tensor.forms.values() for a in pattern.axes)


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
    tensors = tuple(_tensor(role, child) for role, child in section.children("summary", "tensors"))
    if section.take("tensors", bool, default=True) != bool(tensors):
        section.problem(f"the kind '{name}' has no tensors, which `tensors = false` says of a kind")
    return Kind(name=name, summary=summary, tensors=tensors)


def _tensor(role: str, section: Section) -> KindTensor:
    draw = section.take("draw", str, "shift")
    if draw not in DRAWS:
        section.problem(f"unknown draw '{draw}'", "draw", suggestion=f"known: {', '.join(DRAWS)}")
    dtype = section.take("dtype", str, "") or None
    fill = read_fill(section.section("fill")) if "fill" in section.data else None
    forms = {}
    for dialect, child in section.children("draw", "dtype", "fill"):
        form = _form(child)
        if form is not None:
            forms[dialect] = form
    _check_axes(section, forms)
    return KindTensor(role=role, draw=draw, dtype=dtype, forms=MappingProxyType(forms), fill=fill)


def _form(section: Section) -> tuple[str, AxisPattern] | None:
    """``{ kernel = "kh kw in out" }``: the tensor's name in this dialect and its axes."""
    if len(section.data) != 1:
        section.problem('expected one `name = "axes"`')
        return None
    name = next(iter(section.data))
    text = section.require(name, str, "")
    pattern = section.attempt(lambda: AxisPattern.parse(text), None, name)
    return None if pattern is None else (name, pattern)


def _check_axes(section: Section, forms: Mapping[str, tuple[str, AxisPattern]]) -> None:
    """All dialects of one tensor must name the same axes, or there is no way from one to the other."""
    if len({frozenset(pattern.axes) for _, pattern in forms.values()}) > 1:
        texts = ", ".join(f"{dialect}: '{pattern.text}'" for dialect, (_, pattern) in forms.items())
        section.problem(f"the dialects do not name the same axes ({texts})")


def read_fill(section: Section) -> Fill:
    """``{ value = 0, because = "…", discard = true, fold_into = "net.0.1" }``."""
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
    )
    section.asked |= {"only"}
    section.finish()
    return fill
