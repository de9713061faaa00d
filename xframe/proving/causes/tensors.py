"""Causes that lie in a layer's tensors: transposed, permuted, swapped, in another flatten order, of another layer."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from xframe.layouts import AxisPattern
from xframe.mapping import Entry, Implementation, Layer, Table
from xframe.proving.causes.alignment import Map, align, possible_maps
from xframe.proving.causes.cause import Cause
from xframe.proving.causes.evidence import Evidence, Witness
from xframe.proving.tensor_diff import how
from xframe.tensors import Array

_MOST_OTHERS = 64  # layers whose tensors are tried in place of this one's


@dataclass(frozen=True, slots=True)
class Trial:
    """Other values for some of the target layer's tensors, under its own names, and what it means if they are right."""

    cause: str
    detail: str
    change: str
    tensors: Mapping[str, Array]


def tensor_causes(evidence: Witness, attributes: Mapping[str, Any] | None = None) -> Iterator[Cause]:
    """The first trial that makes the target's layer agree, given ``attributes`` of the source besides."""
    own = OwnTensors(evidence, attributes or {})
    for sort in (
        permuted_axes,
        flatten_orders,
        swapped_within,
        swapped_parts,
        permuted_blocks,
        of_another_layer,
        other_values,
    ):
        trial = next((trial for trial in sort(evidence, own) if own.agree_with(trial.tensors)), None)
        if trial is not None:
            change = own.port_again(trial.tensors) or trial.change
            yield Cause(cause=trial.cause, detail=trial.detail, confirmed=True, change=change)
            return


def exchanged_layers(evidence: Evidence) -> Iterator[Cause]:
    """Layers mapped crosswise: another one of the target reads what the source's does and lacks only its tensors."""
    own = OwnTensors(evidence)
    for name, read in evidence.kin.items():
        if align(evidence.read[0], read, (), evidence.tolerance) is None:
            continue
        if own.make_agree(name, read):
            here, there = evidence.ends
            yield Cause(
                cause="swapped layers",
                detail=f"{here}'s {evidence.names[0]} is mapped to {there}'s {evidence.names[1]}, but it is {name} "
                f"that reads the same, and with the tensors of {evidence.names[1]} it gives the same.",
                confirmed=True,
                change=f"map {evidence.names[0]} to {name} in the column {there}",
            )
            return


class OwnTensors:
    """The tensors of the target's layer, by role: their names in the layer, and their values as the target has them."""

    def __init__(self, evidence: Witness, attributes: Mapping[str, Any] = MappingProxyType({})) -> None:
        target = evidence.target
        self._evidence, self._attributes = evidence, attributes
        self.state = target.state()()
        self.there = target.implementation.name
        self._prefix = f"{evidence.names[1]}{target.implementation.framework.separator}"
        self.entries = by_own_name(target.table, evidence.layer, target.implementation)
        self.values = {role: np.array(self.held(entry)) for role, entry in self.entries.items()}

    def full_name(self, role: str) -> str:
        return self.entries[role].names[self.there].name

    def name(self, role: str) -> str:
        """As the layer itself calls it."""
        return self.full_name(role).removeprefix(self._prefix)

    def pattern(self, role: str) -> AxisPattern:
        """Its axes as the table has them, the whole tensor's where an entry is a block of it."""
        return self.entries[role].names[self.there].pattern

    def with_blocks(self, role: str, axis: str, order: Sequence[str]) -> Array:
        """Its values with the blocks of one axis as if they were stored in ``order``."""
        value, pattern = self.values[role], self.pattern(role)
        sizes = pattern.bind(value.shape, pattern.known(self._evidence.layer.sizes))
        split = value.reshape([sizes[name] for name in pattern.axes])
        places = [pattern.blocks[axis].index(word) for word in order]
        return split.take(places, axis=pattern.axes.index(axis)).reshape(value.shape)

    def held(self, entry: Entry) -> Array:
        """A tensor of the target's state, of whatever layer."""
        return self.state[entry.names[self.there].name].map()

    def agree_with(self, tensors: Mapping[str, Array]) -> bool:
        """Whether the target's layer gives what the source's did, with other values in some of its tensors."""
        return self._gives(self._evidence.names[1], self._evidence.read[1], tensors)

    def port_again(self, tensors: Mapping[str, Array]) -> str:
        """What to change where a trial's tensors are what the table makes of the source's, and the file's are not."""
        planned, names = self._evidence.planned, [f"{self._prefix}{name}" for name in tensors]
        if planned is None or not all(
            np.array_equal(planned(name), value) for name, value in zip(names, tensors.values(), strict=True)
        ):
            return ""
        return f"port {', '.join(names)} again: the file of {self.there} holds other values than the table gives"

    def make_agree(self, layer: str, read: Array) -> bool:
        """Whether another layer of the target gives what the source's did, with the tensors of this one."""
        return self._gives(layer, read, {self.name(role): value for role, value in self.values.items()})

    def _gives(self, layer: str, read: Array, tensors: Mapping[str, Array]) -> bool:
        side, evidence = self._evidence.target, self._evidence
        dense = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
        gave = evidence.replayed(side, layer, read, self._attributes, dense)
        return gave is not None and evidence.target_gives(gave)


def permuted_axes(evidence: Witness, own: OwnTensors) -> Iterator[Trial]:
    """Axes of one tensor in another order, where its shape does not betray it."""
    for role, value in own.values.items():
        for axes in itertools.permutations(range(value.ndim)):
            turned = value.transpose(axes)
            if axes == tuple(range(value.ndim)) or turned.shape != value.shape:
                continue
            name = own.full_name(role)
            word = "missing transpose" if value.ndim == 2 else "permuted axes"
            how = "transposed" if value.ndim == 2 else f"with its axes in the order {axes}"
            yield Trial(
                cause=word,
                detail=f"{evidence.ends[1]}'s {name}, {list(value.shape)}, agrees when it is {how}.",
                change=f"let the table's kind of {evidence.names[1]} say so: its axes are in another order",
                tensors={own.name(role): turned},
            )


def flatten_orders(evidence: Witness, own: OwnTensors) -> Iterator[Trial]:
    """A dense layer whose inputs come C,H,W on one side and H,W,C on the other."""
    matrices = {role: value for role, value in own.values.items() if value.ndim == 2}
    for role, value in matrices.items():
        for axis in (0, 1):
            for size in possible_maps([array.shape for _, array in evidence.before], value.shape[axis]):
                for order in ("H,W,C", "C,H,W"):
                    yield Trial(
                        cause="flatten order",
                        detail=f"{evidence.ends[1]} flattens {' × '.join(map(str, size))} maps in the order {order}, "
                        f"and {own.full_name(role)} has its inputs in another.",
                        change=_flatten_change(evidence, size, order),
                        tensors={own.name(role): _reordered(value, axis, size, order)},
                    )


def _flatten_change(evidence: Witness, size: Map, order: str) -> str:
    if evidence.layer.kind.name == "linear_after_flatten":
        other = "C,H,W" if order == "H,W,C" else "H,W,C"
        return f"let {evidence.ends[1]} flatten its maps in the order {other}, as the table has it"
    sizes = f"c = {size[0]}, h = {size[1]}, w = {size[2]}"
    return f"make the layer a linear_after_flatten in the table, with sizes {sizes}"


def _reordered(value: Array, axis: int, size: Map, order: str) -> Array:
    """The inputs of a matrix, flattened in one order, in the other; ``order`` is the new one."""
    channels, height, width = size
    places = np.arange(channels * height * width)
    if order == "H,W,C":
        places = places.reshape(size).transpose(1, 2, 0).reshape(-1)
    else:
        places = places.reshape(height, width, channels).transpose(2, 0, 1).reshape(-1)
    taken: Array = value.take(places, axis=axis)
    return taken


def swapped_within(evidence: Witness, own: OwnTensors) -> Iterator[Trial]:
    """Two tensors of the layer in each other's place."""
    for one, other in itertools.combinations(own.values, 2):
        if own.values[one].shape == own.values[other].shape:
            yield Trial(
                cause="swapped tensors",
                detail=f"{evidence.ends[1]}'s {own.full_name(one)} and {own.full_name(other)} hold each other's.",
                change=f"exchange {one} and {other} of {evidence.names[1]}",
                tensors={own.name(one): own.values[other], own.name(other): own.values[one]},
            )


def swapped_parts(evidence: Witness, own: OwnTensors) -> Iterator[Trial]:
    """Parts of a layer, each with several tensors, in each other's place: query and key of an attention."""
    parts: dict[str, dict[str, str]] = defaultdict(dict)
    for role in own.values:
        part, _, last = role.replace("/", ".").rpartition(".")
        parts[part][last] = role
    for one, other in itertools.combinations(parts.values(), 2):
        shapes = [{last: own.values[role].shape for last, role in part.items()} for part in (one, other)]
        if len(one) > 1 and shapes[0] == shapes[1]:
            pairs = [(one[last], other[last]) for last in one]
            names = "; ".join(f"{own.full_name(a)} and {own.full_name(b)}" for a, b in pairs)
            yield Trial(
                cause="swapped tensors",
                detail=f"{evidence.ends[1]}'s {names} hold each other's.",
                change=f"exchange them in {evidence.names[1]}",
                tensors={own.name(to): own.values[of] for a, b in pairs for to, of in ((a, b), (b, a))},
            )


def permuted_blocks(evidence: Witness, own: OwnTensors) -> Iterator[Trial]:
    """Gates of a recurrent layer, or parts of a fused projection, in another order: in one tensor, or in all."""
    blocks = {role: named for role in own.values if (named := own.pattern(role).blocks)}
    for axis in dict.fromkeys(axis for named in blocks.values() for axis in named):
        roles = [role for role in blocks if axis in blocks[role]]
        for chosen in [*([role] for role in roles), roles] if len(roles) > 1 else [roles]:
            stored = blocks[chosen[0]][axis]
            for order in itertools.permutations(stored):
                if order != stored and all(set(blocks[role][axis]) == set(order) for role in chosen):
                    names = ", ".join(own.full_name(role) for role in chosen)
                    yield Trial(
                        cause=f"{axis} order",
                        detail=f"{evidence.ends[1]}'s {names}: it agrees with the {axis}s in the order "
                        f"{', '.join(order)}; the table has them as {', '.join(stored)}.",
                        change=f"let the table's kind of {evidence.names[1]} name its {axis}s in that order",
                        tensors={own.name(role): own.with_blocks(role, axis, order) for role in chosen},
                    )


def of_another_layer(evidence: Witness, own: OwnTensors) -> Iterator[Trial]:
    """All tensors of another layer of the same kind and shapes, or one of them, in place of this layer's."""
    for name, entries in itertools.islice(_others(evidence, own), _MOST_OTHERS):
        held = {role: own.held(entry) for role, entry in entries.items()}
        fitting = [role for role in own.values if role in held and held[role].shape == own.values[role].shape]
        whole = len(fitting) == len(own.values)
        for roles in ([fitting] if whole else []) + [[role] for role in fitting]:
            what = "tensors are" if roles == fitting and whole else f"{roles[0]} is"
            yield Trial(
                cause="swapped tensors",
                detail=f"{evidence.ends[1]}'s {evidence.names[1]} agrees when its {what} that of {name}.",
                change=f"look at the names of {evidence.names[1]} and {name} in the mapping",
                tensors={own.name(role): held[role] for role in roles},
            )


def other_values(evidence: Witness, own: OwnTensors) -> Iterator[Trial]:
    """Tensors of the target's own file that are not what the source's gives."""
    if evidence.planned is None:
        return
    planned = {role: evidence.planned(own.full_name(role)) for role in own.values}
    wrong = {role: values for role, values in planned.items() if not np.array_equal(values, own.values[role])}
    for roles in [*([role] for role in wrong), *([list(wrong)] if wrong else [])]:
        said = "; ".join(f"{own.full_name(role)}: {how(wrong[role], own.values[role])}" for role in roles)
        yield Trial(
            cause="other values",
            detail=f"{evidence.ends[1]}'s file does not hold what the source's gives. {said}.",
            change=f"port {', '.join(own.full_name(role) for role in roles)} again",
            tensors={own.name(role): wrong[role] for role in roles},
        )


def _others(evidence: Witness, own: OwnTensors) -> Iterator[tuple[str, dict[str, Entry]]]:
    """Other layers of the same kind, the nearest in the table first."""
    table, target = evidence.target.table, evidence.target.implementation
    layers = [layer for layer in table.layers if layer.kind is evidence.layer.kind and layer.layer_name(own.there)]
    here = next(index for index, layer in enumerate(layers) if layer is evidence.layer)
    for layer in sorted(layers, key=lambda layer: abs(layers.index(layer) - here)):
        if layer is not evidence.layer:
            yield layer.layer_name(own.there), by_own_name(table, layer, target)


def by_own_name(table: Table, layer: Layer, implementation: Implementation) -> dict[str, Entry]:
    """A layer's tensors by what the layer itself calls them; of one that is made of blocks, the first block's entry."""
    prefix = f"{layer.layer_name(implementation.name)}{implementation.framework.separator}"
    found: dict[str, Entry] = {}
    for entry in table.entries:
        if entry.layer is layer and implementation.name in entry.names:
            found.setdefault(entry.names[implementation.name].name.removeprefix(prefix), entry)
    return found
