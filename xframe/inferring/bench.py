"""Where pairs are tried out: both models with weights of which every tensor differs, and what their layers give."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from xframe import exchange
from xframe.digests import digest
from xframe.errors import ModelError
from xframe.inferring.pairing import Pairing
from xframe.inferring.parts import Part
from xframe.inferring.sameness import Activation, equal, same, shares, squeezed
from xframe.mapping import Entry, Table
from xframe.mapping.entries import entries_of
from xframe.mapping.table import Layer
from xframe.planning import computed, make_plan
from xframe.proving.passes import Calls, Outputs
from xframe.proving.probe import random_weights
from xframe.proving.sides import Side
from xframe.tensors import STORAGE, Array, TensorSpec

Arrays = dict[str, Array]
Placed = dict[str, exchange.Message]  # by tensor, where the worker finds it
Gave = dict[str, list[Array]]  # by layer, what its calls gave, as the framework lays it out


@dataclass(slots=True)
class Bench:
    """The two models. ``values`` are the source's weights, ``others`` the target's where nothing is moved to."""

    source: Side
    target: Side
    probe: Array
    seed: int
    values: Arrays = field(default_factory=dict)
    others: Placed = field(default_factory=dict)
    ran: Outputs | None = None
    gave: Gave = field(default_factory=dict)
    taps: list[str] = field(default_factory=list)
    made: dict[int, tuple[Pairing, Placed]] = field(default_factory=dict)
    runs: int = 0

    def prepare(self, sources: Sequence[Part], targets: Sequence[Part]) -> None:
        """Draw both sides' weights, load the source's, and run it with every part watched."""
        self.values = dict(drawn(self.source, sources, self.seed))
        self.others = self._placed(self.target, drawn(self.target, targets, self.seed + 1))
        self.taps = list(dict.fromkeys(layer for part in sources for layer in part.layers))
        self._run_source()

    def without(self, pairs: Iterable[Pairing]) -> None:
        """Set what the source alone has in these pairs to 0, so that both sides can give the same."""
        lone = [name for pairing in pairs for name in lone_tensors(pairing, self.source)]
        if any(self.values[name].any() for name in lone):
            self.values.update({name: np.zeros_like(self.values[name]) for name in lone})
            self._run_source()

    def _run_source(self) -> None:
        self.source.load(self._placed(self.source, self.values).items()).result()
        self.made.clear()
        self.ran = self.source.run(self.probe, "float64", self.taps)()
        self.gave = gave(self.ran)

    def run(self, pairs: Iterable[Pairing], taps: Sequence[str], instead: Calls | None = None) -> Outputs:
        """The target's forward pass with these pairs' weights moved to it."""
        held = dict(self.others)
        for pairing in pairs:
            held.update(self._moved(pairing))
        self.target.load(held.items()).result()
        self.runs += 1
        return self.target.run(self.probe, "float64", list(dict.fromkeys(taps)), instead=instead)()

    def _moved(self, pairing: Pairing) -> Placed:
        """Where the target's tensors of one pair lie; they are made once."""
        if id(pairing) not in self.made:
            specs = self.target.specs
            arrays = ((name, array, specs[name].dtype) for name, array in self.moved(pairing).items())
            self.made[id(pairing)] = pairing, dict(self.target.put(arrays))  # the pair is kept, and with it its id
        return self.made[id(pairing)][1]

    def moved(self, pairing: Pairing) -> Arrays:
        """The target's tensors of one pair, by the plan that a table with this row alone gives."""
        table = table_of([pairing.layer(self.columns)], self.source.table, self.columns)
        held = {spec.name: spec for spec in pairing.source.specs}
        wanted = {spec.name: spec for spec in pairing.target.specs}
        without = set(lone_tensors(pairing, self.source))

        def values(name: str) -> Array:
            return np.zeros_like(self.values[name]) if name in without else self.values[name]

        plan = make_plan(table, *self.columns, held, values, wanted=wanted)
        return {step.target.name: computed(step, values) for step in plan.steps}

    @property
    def columns(self) -> tuple[str, str]:
        return self.source.implementation.name, self.target.implementation.name

    @staticmethod
    def _placed(side: Side, values: Arrays) -> Placed:
        return dict(side.put((name, values[name], spec.dtype) for name, spec in side.specs.items()))

    def agrees(self, pairing: Pairing, theirs: Gave) -> str | None:
        """How what the two layers gave is the same, "" for to the last digits; None where it is not."""
        ours, others = _given(pairing.source, self.gave, pairing), _given(pairing.target, theirs, pairing)
        if not ours or len(ours) != len(others):
            return None
        said = [same(self.source, one, self.target, other) for one, other in zip(ours, others, strict=True)]
        return None if None in said else next((how for how in said if how), "")

    def outputs_agree(self, ran: Outputs) -> bool:
        """Whether both models give the same, or one of them the other's behind a softmax."""
        return self._outputs_same(ran) or bool(self.probabilities(ran))

    def probabilities(self, ran: Outputs) -> str:
        """The column that gives what the other does behind a softmax; "" for none."""
        if self._outputs_same(ran):
            return ""
        one, other = self.columns
        ends = ((one, (None, shares)), (other, (shares, None)))
        return next((name for name, behind in ends if self._outputs_same(ran, behind)), "")

    def _outputs_same(self, ran: Outputs, behind: tuple[Activation | None, Activation | None] = (None, None)) -> bool:
        assert self.ran is not None
        both = [
            [squeezed(array if activation is None else activation(array)) for array in arrays]
            for activation, arrays in zip(behind, (self.ran.arrays, ran.arrays), strict=True)
        ]
        return len(both[0]) == len(both[1]) and all(
            one.shape == other.shape and equal(one, other) for one, other in zip(*both, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Watched:
    """A call of a layer: the shape of what it gave first, C × H × W, and a digest of what it read."""

    layer: str
    gave: tuple[int, ...] = ()
    read: str = ""


def watched(side: Side, probe: Array, layers: Sequence[str]) -> list[Watched]:
    """The calls of these layers in a forward pass in float64, in the order in which they end.

    Raises ModelError for a model that cannot read the probe.
    """
    found = []
    for tap in _first_run(side, probe, layers).taps:
        shape = exchange.get(tap.gave[0]).shape if tap.gave else ()
        read = digest(exchange.get(tap.read[0])) if tap.read else ""
        found.append(Watched(tap.layer, side.without_batch(shape), read))
    return found


def _first_run(side: Side, probe: Array, layers: Sequence[str]) -> Outputs:
    try:
        return side.run(probe, "float64", layers, reads=layers)()
    except ModelError as error:
        if "Try: " not in str(error):
            given = "x".join(map(str, probe.shape))
            error.args = (f"{error}. It was given {given}. Try: the shape that it reads, by --input or in the table.",)
        raise


def lone_tensors(pairing: Pairing, side: Side) -> list[str]:
    """The tensors of a source's part that the target's has not, though it could."""
    here = side.implementation
    roles = [role for role, column in pairing.lone.items() if column == here.name]
    forms = [here.form(tensor) for tensor in pairing.kind.tensors if tensor.stated in roles]
    return [pairing.source.tensors[form.name].name for form in forms if form is not None]


def gave(ran: Outputs) -> Gave:
    """By layer, what its calls gave first."""
    found: Gave = defaultdict(list)
    for tap in ran.taps:
        if tap.gave:
            found[tap.layer].append(exchange.get(tap.gave[0]))
    return found


def _given(part: Part, found: Gave, pairing: Pairing) -> list[Array]:
    """What the calls of a part gave; of several in one, joined as the pair says; of copies, one after the other."""
    calls = [found.get(layer, []) for layer in part.layers]
    if part.copies:
        return [gave for outputs in calls for gave in outputs]
    if pairing.fusion is None or not part.members:
        return calls[0] if calls else []
    return [pairing.fusion.joined(outputs) for outputs in zip(*calls, strict=False)]


def drawn(side: Side, parts: Sequence[Part], seed: int) -> Arrays:
    """Weights for a whole model, drawn as its parts' first readings say. In the dtype of the model."""
    column = side.implementation.name
    layers = [
        Layer(
            kind=part.readings[0].kind,
            names=MappingProxyType({column: part.cell}),
            sizes=MappingProxyType({}),
            absent=frozenset(part.readings[0].kind.roles) - part.readings[0].roles,
            only=MappingProxyType({}),
            place=part.cell,
        )
        for whole in parts
        for part in whole.members or (whole,)
        if part.readings and not part.readings[0].view
    ]
    table = table_of(layers, side.table, (column,))
    found = {name: array for name, array, _ in random_weights(table, column, side.specs, seed)}
    spoken = {entry.names[column].name for entry in table.entries}
    for name, spec in side.specs.items():
        if name not in spoken and STORAGE[spec.dtype].kind == "f":
            found[name] = _plain(spec, seed)
    return found


def _plain(spec: TensorSpec, seed: int) -> Array:
    """Values for a tensor of no known kind: around one for a vector, small enough for sums for anything larger."""
    generator = np.random.default_rng([seed, *spec.name.encode()])
    values = generator.uniform(0.5, 1.5, spec.shape)
    if len(spec.shape) > 1:
        values = generator.standard_normal(spec.shape) / np.sqrt(max(spec.shape))
    return values.astype(STORAGE[spec.dtype])


def table_of(layers: Sequence[Layer], like: Table, columns: Sequence[str]) -> Table:
    """A table in memory of these rows and of some of another's columns."""
    chosen = {name: like.implementations[name] for name in columns}
    found: list[Entry] = [entry for layer in layers for entry in entries_of(layer, chosen)]
    return replace(like, layers=tuple(layers), implementations=MappingProxyType(chosen), entries=tuple(found))
