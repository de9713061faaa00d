"""What a layer's tensors may be: the kinds whose names and shapes they have, in some dialect of a framework."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from xframe.inferring.solving import Held, solve
from xframe.layouts import AxisPattern
from xframe.mapping.forms import Form
from xframe.mapping.kinds import Kind, Kinds, KindTensor

Shapes = Mapping[str, tuple[int, ...]]  # a layer's tensors by their own names

# The classes that are surely of a kind, so that other kinds with the same names and shapes are none. By kind.
CLASSES = {
    "linear": r"Linear|Dense|EinsumDense",
    "linear_after_flatten": r"Linear|Dense",
    "conv1d": r"Conv1[Dd]",
    "conv2d": r"Conv2[Dd]",
    "depthwise_conv2d": r"DepthwiseConv2D|Conv2[Dd]",
    "conv_transpose2d": r"Conv2DTranspose|ConvTranspose2d",
    "batch_norm": r"(Sync)?BatchNorm(alization)?([123][Dd])?",
    "layer_norm": r"LayerNorm(alization)?",
    "group_norm": r"GroupNorm(alization)?",
    "prelu": r"PReLU",
    "embedding": r"Embedding",
    "lstm": r"LSTM",
    "gru": r"GRU",
    "simple_rnn": r"SimpleRNN|RNN",
    "lstm_cell": r"LSTM(Cell)?",
    "gru_cell": r"GRU(Cell)?",
    "multi_head_attention": r"Multi[Hh]eadAttention",
}
# A kind seen as another: axes of length one that fall away, and axes that have another name there.
VIEWS = (
    ("conv2d", "linear", {"kh": "1", "kw": "1"}, "a 1×1 convolution"),
    ("conv1d", "linear", {"k": "1"}, "a convolution of one step"),
    ("conv2d", "conv1d", {"kh": "k", "kw": "1"}, "a k×1 convolution"),
    ("conv2d", "conv1d", {"kh": "1", "kw": "k"}, "a 1×k convolution"),
    ("conv2d", "linear_after_flatten", {"in": "c", "kh": "h", "kw": "w"}, "a convolution as large as its map"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A layer's tensors as those of a kind: its name, and per tensor of the kind how the framework spells it.

    ``view`` says as what the layer is seen, where it is of another kind than its class says.
    """

    kind: Kind
    dialect: str
    forms: Mapping[str, Form]
    tensors: Mapping[str, KindTensor]
    view: str = ""

    @property
    def roles(self) -> frozenset[str]:
        """Those of the kind's tensors that the layer has, as kinds.toml calls them."""
        return frozenset(self.tensors[role].stated for role in self.forms)

    def held(self, shapes: Shapes) -> list[Held]:
        """The pattern and the shape of each tensor that the reading speaks of."""
        return [(form.pattern, shapes[form.name]) for form in self.forms.values()]


def readings(shapes: Shapes, framework: str, class_: str, kinds: Kinds) -> tuple[Reading, ...]:
    """Every way to read the tensors of one layer; the kinds of its class alone, where that is a framework's own."""
    sure = [name for name, classes in CLASSES.items() if re.fullmatch(classes, class_)]
    found: list[Reading] = []
    for kind in kinds.kinds.values():
        if kind.tensors and (not sure or kind.name in sure):
            found += _of_kind(kind, shapes, framework)
    return (*found, *(seen for reading in found for seen in _views(reading, kinds, shapes)))


def _of_kind(kind: Kind, shapes: Shapes, framework: str) -> Iterator[Reading]:
    for dialect in dialects(kind, framework):
        forms = {}
        for tensor in kind.tensors:
            form = tensor.forms.get(dialect) or tensor.forms.get(framework)
            if form is not None and form.name in shapes:
                forms[tensor.role] = form
        reading = Reading(
            kind=kind,
            dialect=dialect,
            forms=MappingProxyType(forms),
            tensors=MappingProxyType({tensor.role: tensor for tensor in kind.tensors}),
        )
        if _is_whole(reading, shapes) and solve(reading.held(shapes)) is not None:
            yield reading


def is_sure(class_: str) -> bool:
    """Whether a class is a framework's own of a known kind."""
    return any(re.fullmatch(classes, class_) for classes in CLASSES.values())


def dialects(kind: Kind, framework: str) -> list[str]:
    """The framework itself, then its dialects that the kind speaks of."""
    spoken = {dialect for tensor in kind.tensors for dialect in tensor.forms}
    return [name for name in (framework, *sorted(spoken)) if name == framework or name.startswith(f"{framework}/")]


def _is_whole(reading: Reading, shapes: Shapes) -> bool:
    """Every tensor of the layer is spoken of, the first of the kind is there, and none is there in part only."""
    spoken = {form.name for form in reading.forms.values()}
    first = reading.kind.tensors[0].stated
    if spoken != set(shapes) or first not in reading.roles:
        return False
    for tensor in reading.kind.tensors:
        form = tensor.forms.get(reading.dialect) or tensor.forms.get(reading.dialect.partition("/")[0])
        if form is not None and tensor.stated in reading.roles and form.name not in shapes:
            return False
    return True


def _views(reading: Reading, kinds: Kinds, shapes: Shapes) -> Iterator[Reading]:
    """The reading as one of another kind, where its lengths allow that."""
    sizes = solve(reading.held(shapes)) or {}
    for own, other, axes, said in VIEWS:
        ones = [axis for axis, name in axes.items() if name == "1"]
        if reading.kind.name == own and own in CLASSES and all(sizes.get(axis) == 1 for axis in ones):
            seen = kinds.kinds[other]
            forms = {role: replace(form, pattern=renamed(form.pattern, axes)) for role, form in reading.forms.items()}
            tensors = {tensor.role: tensor for tensor in seen.tensors}
            if forms.keys() <= tensors.keys():
                yield replace(
                    reading, kind=seen, forms=MappingProxyType(forms), tensors=MappingProxyType(tensors), view=said
                )


def renamed(pattern: AxisPattern, axes: Mapping[str, str]) -> AxisPattern:
    """The pattern with other names for some of its axes; "1" for one that falls away."""
    words = re.sub(r"[A-Za-z_]\w*", lambda match: axes.get(match[0], match[0]), pattern.text)
    return AxisPattern.parse(words)
