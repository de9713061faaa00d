"""An architecture's mapping table: its implementations, and its layers with their names in each of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xframe.builds import Build
from xframe.errors import LayoutError, UsageError
from xframe.layouts import AxisPattern, Rearrangement, Sizes, Words
from xframe.mapping.forms import Form
from xframe.mapping.kinds import AXES, Fill, Framework, Kind, KindTensor

Option = int | float | bool | str
OWN = "{tensor}"  # in a cell: where the tensor's own name goes
AND = ", "  # in a cell: between the names of a layer whose tensors the state dict lists several times
OUTPUTS = ("logits", "probabilities")  # what a model returns; a softmax lies between them


@dataclass(frozen=True, slots=True, kw_only=True)
class Implementation:
    """A column: who builds the model, with which of the table's options, and in which dialect it names tensors.

    ``fixed`` are arguments that the column always passes. ``output`` is one of OUTPUTS: whether the model ends in a
    softmax.
    """

    name: str
    framework: Framework
    build: Build
    dialect: str
    options: tuple[str, ...]
    fixed: Mapping[str, Option] = field(default_factory=dict)
    output: str = OUTPUTS[0]

    def form(self, tensor: KindTensor) -> Form | None:
        """The tensor's name and axes here; None where this implementation has no such tensor."""
        return tensor.forms.get(self.dialect) or tensor.forms.get(self.framework.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that the columns ``of`` do and the others do not, though their weights fit: a port says it."""

    of: frozenset[str]
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer: its kind, its name per implementation, and the sizes of its axes as far as the table states them.

    ``absent`` lists the roles that no implementation has; ``only`` gives, for a role that some have, who they are and
    what the others are filled with. ``gain`` scales the kernel where weights are drawn. ``row`` is the number of the
    file's row that ``variables`` make this layer of; -1 where it is from no file.
    """

    kind: Kind
    names: Mapping[str, str]
    sizes: Mapping[str, int]
    absent: frozenset[str]
    only: Mapping[str, tuple[frozenset[str], Fill]]
    place: str
    gain: float = 1.0
    row: int = -1
    variables: Mapping[str, str] = field(default_factory=dict)

    def has(self, role: str, implementation: Implementation) -> bool:
        """Whether the layer has the kind's tensor ``role`` there, as kinds.toml calls it."""
        if role in self.absent:
            return False
        return role not in self.only or implementation.name in self.only[role][0]

    def layer_name(self, implementation: str) -> str:
        """What the layer itself is called there; "" where it is none that can be looked at."""
        name = self.names[implementation]
        return "" if OWN in name or AND in name else name

    def tensor_names(self, implementation: Implementation, own: str) -> tuple[str, ...]:
        """A tensor's name in the state dict, or all its names where the cell gives the layer several.

        ``own``, what its kind calls it, comes last unless the cell places it.
        """
        separator = implementation.framework.separator
        cells = self.names[implementation.name].split(AND)
        return tuple(cell.replace(OWN, own) if OWN in cell else f"{cell}{separator}{own}" for cell in cells)


@dataclass(frozen=True, slots=True)
class TensorName:
    """A tensor of one implementation, as the table knows it.

    ``part`` says which block of the tensor of that name is meant, where it is not the whole. ``same_as`` is its first
    name where the state dict lists it under several and this is another one.
    """

    name: str
    pattern: AxisPattern
    part: Words = field(default_factory=dict)
    same_as: str | None = None

    @property
    def blocks(self) -> int:
        """How many tensors of other implementations the tensor of that name holds."""
        return math.prod(len(self.pattern.blocks[axis]) for axis in self.part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One tensor of one layer across implementations: where it exists, under which name, and its fill elsewhere.

    Several entries share a name where an implementation keeps them as blocks of one tensor, or where ``again`` says
    that they are further names, in another implementation, of a tensor that has an entry already.
    """

    layer: Layer
    tensor: KindTensor
    names: Mapping[str, TensorName]
    fill: Fill | None
    again: bool = False

    def shape(self, implementation: str) -> tuple[int, ...] | None:
        """Its shape there as far as the table states it, else None."""
        try:
            return self.names[implementation].pattern.shape(self.layer.sizes)
        except LayoutError:
            return None

    @property
    def dispensable(self) -> bool:
        """Whether a state dict may lack it: it carries no weight."""
        return self.fill is not None and self.fill.discard

    def between(self, source: str, target: str) -> bool:
        """Whether a port from one to the other has to do with it: a further name in a third column is no matter."""
        names = [self.names[name] for name in (source, target) if name in self.names]
        return bool(names) and (not self.again or any(name.same_as for name in names))

    def repeats(self, source: str, target: str) -> str:
        """The first name of the source's tensor where this is a further one that the target has not; else ""."""
        here, there = self.names.get(source), self.names.get(target)
        only_here = here is not None and (there is None or there.same_as is None)
        return (here.same_as or "") if here is not None and only_here else ""

    def rearrangement(self, source: str, target: str, sizes: Sizes | None = None) -> Rearrangement:
        """The way from one implementation that has the tensor to another."""
        one, other = self.names[source], self.names[target]
        return Rearrangement(one.pattern, other.pattern, sizes or {}, one.part, other.part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A whole architecture. ``input`` is C×H×W, batch excluded; ``options`` are the factories' keyword arguments.

    ``input_axes`` and ``output_axes`` are of AXES: whether features come behind the batch, C×H×W, or last, T×D.
    ``tokens`` is set where the input is token ids, which lie below it. ``lengths`` are the options that no factory
    takes: lengths of the input, which the networks leave open.
    """

    name: str
    summary: str
    file: Path
    input: tuple[int, ...]
    options: Mapping[str, Option]
    defaults: Mapping[str, Option]
    lengths: frozenset[str]
    implementations: Mapping[str, Implementation]
    layers: tuple[Layer, ...]
    entries: tuple[Entry, ...] = field(repr=False)
    differences: tuple[Difference, ...] = ()
    input_axes: str = AXES[0]
    output_axes: str = AXES[0]
    tokens: int | None = None

    def differences_between(self, source: str, target: str) -> tuple[str, ...]:
        """What the table says that one of the two columns does and the other does not."""
        return tuple(found.says for found in self.differences if (source in found.of) != (target in found.of))

    def implementation(self, name: str) -> Implementation:
        """The column ``name``. Raises UsageError naming those that there are."""
        if name not in self.implementations:
            known = ", ".join(self.implementations)
            raise UsageError(f"{self.name} has no implementation '{name}'. It has: {known}.")
        return self.implementations[name]

    def build_options(self, implementation: Implementation) -> dict[str, Option]:
        """The keyword arguments for this factory. Raises UsageError where a changed option is not one of its own."""
        changed = [key for key in self.options if self.options[key] != self.defaults[key]]
        foreign = [key for key in changed if key not in implementation.options and key not in self.lengths]
        if foreign:
            takes = ", ".join(implementation.options) or "no options"
            raise UsageError(
                f"{self.name}'s implementation '{implementation.name}' cannot be built with another "
                f"{', '.join(foreign)}: its factory {implementation.build.said} takes {takes}."
            )
        return {**implementation.fixed, **{key: self.options[key] for key in implementation.options}}
