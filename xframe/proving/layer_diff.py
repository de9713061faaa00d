"""Outputs of every mapped layer on both sides, in the source's order of execution.

Looked at in two ways. Free-running, each side goes its own way and one fault colours all that comes behind it. Re-fed,
each layer of the target gives what the source's gave as soon as it was compared, so that the next one reads what its
counterpart read: what differs then is the layer's own doing, or that of what lies between it and the layers before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from xframe import exchange
from xframe.comparison import Comparison, Tolerance
from xframe.mapping import Layer
from xframe.proving.passes import Outputs, Step, Tap
from xframe.proving.sides import Side
from xframe.tensors import Array, Extent


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDiff:
    """One call of a mapped layer, free-running and re-fed; ``own`` is None where that was not looked at."""

    layer: Layer
    source_name: str
    target_name: str
    turn: int
    free: Comparison
    own: Comparison | None = None

    @property
    def name(self) -> str:
        """The kind and the source's name, and which call it is where there are several."""
        again = f" (call {self.turn + 1})" if self.turn else ""
        return f"{self.layer.kind.name} {self.source_name}{again}"

    def __str__(self) -> str:
        own = "" if self.own is None else f"; by itself {self.own}"
        return f"{self.name} / {self.target_name}: {self.free}{own}"

    def __bool__(self) -> bool:
        return bool(self.free) and (self.own is None or bool(self.own))


@dataclass(frozen=True, slots=True, kw_only=True)
class Uneven:
    """A layer that one side calls more often: how often the source does, and the target.

    So many paired calls end before the first one without a counterpart: ``behind``.
    """

    layer: Layer
    source_name: str
    target_name: str
    counts: tuple[int, int]
    behind: int

    @property
    def name(self) -> str:
        return f"{self.layer.kind.name} {self.source_name}"

    def __str__(self) -> str:
        often = "more" if self.counts[0] > self.counts[1] else "less"
        return (
            f"called {often} often in the source: {self.source_name}, {self.counts[0]} times against {self.counts[1]}"
        )


@dataclass(frozen=True, slots=True)
class LayerDiffs:
    """Every call of a mapped layer in the source's order, and both sides' outputs in float64, free-running.

    ``uneven`` are layers with calls that only the source makes, or only the target: they may lead nowhere. ``blind``
    are implementations without layers, of which the outputs alone are compared.
    """

    calls: tuple[LayerDiff, ...]
    outputs: tuple[tuple[Array, ...], tuple[Array, ...]]
    uneven: tuple[Uneven, ...] = ()
    blind: tuple[str, ...] = ()

    @property
    def alone(self) -> tuple[str, ...]:
        """The uneven layers, and the sides without any, in words."""
        unseen = (f"{name} has no layers that can be looked at: outputs alone are compared" for name in self.blind)
        return (*unseen, *map(str, self.uneven))

    @property
    def first(self) -> LayerDiff | None:
        """The first that differs, while both sides run freely or by itself, where less is let pass."""
        return next((diff for diff in self.calls if not diff), None)

    @property
    def own(self) -> tuple[LayerDiff, ...]:
        """Those that differ although they read the same; none where the target was not re-fed."""
        return tuple(diff for diff in self.calls if diff.own is not None and not diff.own)

    def worst(self, count: int) -> tuple[LayerDiff, ...]:
        """Those that are furthest apart, relatively, while both sides run freely."""
        return tuple(sorted(self.calls, key=lambda diff: -diff.free.max_rel)[:count])


def by_itself(tolerance: Tolerance) -> Tolerance:
    """What a layer is held to that reads the same on both sides: a hundredth, for nothing has added up before it.

    Right layers of the whole catalogue are apart by 3e-13 at most.
    """
    return replace(tolerance, atol=tolerance.atol / 100, rtol=tolerance.rtol / 100)


def mapped_layers(source: Side, target: Side, skip: Collection[str] = ()) -> dict[str, Layer]:
    """By the source's name, the layers that both sides have under a name; ``skip`` leaves some of those out.

    None where a side has no layers.
    """
    if blind(source, target):
        return {}
    here, there = source.implementation.name, target.implementation.name
    found = ((layer.layer_name(here), layer) for layer in source.table.layers)
    return {name: layer for name, layer in found if name and layer.layer_name(there) and name not in skip}


def blind(*sides: Side) -> tuple[str, ...]:
    """Implementations that have no layers at all, such as a saved graph: nothing in them can be looked at."""
    return tuple(side.implementation.name for side in sides if not side.layers())


def tapped(side: Side) -> list[str]:
    """The layers of a side that have a name in the table."""
    here = side.implementation.name
    return [name for layer in side.table.layers if (name := layer.layer_name(here))]


def diff_layers(
    source: Side, target: Side, probe: Array, tolerance: Tolerance, *, skip: Collection[str] = (), refed: bool = True
) -> LayerDiffs:
    """Run both sides in float64 with every mapped layer watched; the target re-fed too, unless ``refed`` is False.

    ``skip`` names source layers that rightly differ. Activations are exchanged through files that go at the end; no
    process holds more than one at a time.
    """
    layers = mapped_layers(source, target, skip)
    with source.scratch():
        ran = source.run(probe, "float64", list(layers))()
        theirs = expected(ran, source, target, layers)
        walks = [target.walk(probe, "float64", theirs, replace=replace) for replace in (False, True)[: 1 + refed]]
        ended = [walk() for walk in walks]
        calls = tuple(_paired(ran.taps, layers, target, tolerance, [walked.steps for walked in ended]))
        return LayerDiffs(
            calls,
            (ran.arrays, ended[0].arrays),
            tuple(_uneven(ran.taps, ended[0].steps, calls, layers, target)),
            blind(source, target),
        )


def _uneven(
    made: Sequence[Tap], walked: Sequence[Step], calls: Sequence[LayerDiff], layers: dict[str, Layer], target: Side
) -> Iterator[Uneven]:
    """Layers that the two sides call different numbers of times."""
    here, there = Counter(tap.layer for tap in made), Counter(step.layer for step in walked)
    places = [diff.source_name for diff in calls]
    for name, layer in layers.items():
        other = layer.layer_name(target.implementation.name)
        if here[name] != there[other]:
            last = max((index + 1 for index, paired in enumerate(places) if paired == name), default=0)
            yield Uneven(
                layer=layer, source_name=name, target_name=other, counts=(here[name], there[other]), behind=last
            )


def expected(ran: Outputs, source: Side, target: Side, layers: dict[str, Layer]) -> dict[str, list[exchange.Message]]:
    """By the target's name, what each call of the source's layer gave, laid out as on the target's side."""
    calls: dict[str, list[exchange.Message]] = {
        layer.layer_name(target.implementation.name): [] for layer in layers.values()
    }
    for tap in ran.taps:
        layer = layers[tap.layer]
        there = layer.layer_name(target.implementation.name)
        calls[there].append(relaid(tap.gave[0], source, target, layer.kind.output))
    return calls


def relaid(message: exchange.Message, source: Side, target: Side, axes: str) -> exchange.Message:
    """The same array as the other side lays it out; ``axes`` as the layer's kind has them. No byte moves."""
    extent = Extent.from_message(message)
    here, there = (side.axes_from_first(len(extent.shape), axes) for side in (source, target))
    order = [here.index(axis) for axis in there]
    shape, strides = (tuple(values[axis] for axis in order) for values in (extent.shape, extent.strides))
    return replace(extent, shape=shape, strides=strides).to_message()


def _paired(
    taps: Sequence[Tap], layers: dict[str, Layer], target: Side, tolerance: Tolerance, walks: Sequence[Sequence[Step]]
) -> Iterator[LayerDiff]:
    """``walks`` are the target's: free-running, and re-fed where that was done."""
    found = [{(step.layer, step.turn): step.distance for step in steps} for steps in walks]
    turns: Counter[str] = Counter()
    for tap in taps:
        layer, turn = layers[tap.layer], turns[tap.layer]
        turns[tap.layer] += 1
        there = layer.layer_name(target.implementation.name)
        if (there, turn) not in found[0]:
            continue  # the target does not make this call
        free, *own = [
            steps[there, turn].judged(held)
            for steps, held in zip(found, (tolerance, by_itself(tolerance)), strict=False)
        ]
        yield LayerDiff(
            layer=layer,
            source_name=tap.layer,
            target_name=there,
            turn=turn,
            free=free,
            own=own[0] if own else None,
        )
