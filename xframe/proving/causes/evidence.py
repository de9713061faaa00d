"""What is known of a layer that differs: what both sides' calls read and gave, and what was given before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from xframe import exchange
from xframe.comparison import Tolerance, alike, compare
from xframe.errors import ModelError
from xframe.mapping import Layer
from xframe.proving.causes.alignment import Alignment, Map, align, possible_maps
from xframe.proving.layer_diff import LayerDiff, expected, mapped_layers
from xframe.proving.passes import Tap
from xframe.proving.sides import Side
from xframe.tensors import Array

_NEAR = 8  # so many layers before are looked at


class Witness(Protocol):
    """What trials of a target layer's tensors ask for: Evidence has it, and so has a golden, without the source.

    ``names`` and ``ends`` are the layer's and the implementations', the source's first; only the shapes of ``before``
    count.
    """

    @property
    def target(self) -> Side: ...

    @property
    def layer(self) -> Layer: ...

    @property
    def names(self) -> tuple[str, str]: ...

    @property
    def ends(self) -> tuple[str, str]: ...

    @property
    def read(self) -> tuple[Array, Array]: ...

    @property
    def before(self) -> Sequence[tuple[str, Array]]: ...

    @property
    def planned(self) -> Callable[[str], Array] | None: ...

    def replayed(
        self,
        side: Side,
        name: str,
        read: Array,
        attributes: Mapping[str, Any] | None = None,
        tensors: Mapping[str, Array] | None = None,
    ) -> Array | None:
        """What a layer gives when it reads ``read``; None where that cannot be."""
        ...

    def target_gives(self, output: Array) -> bool:
        """Whether ``output``, of a changed target, is what the source gave."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One call of a layer on both sides, channels first, in float64; the target was fed what the source was.

    ``before`` are the outputs of the mapped layers that ran before it, the nearest first; both sides have them.
    ``theirs`` is what the target calls the source's layers. ``kin`` is what the target's other layers of its kind read.
    ``more`` is what the target's layer read besides, as the target lays it out: keys and values of an attention.
    ``planned`` gives what a tensor of the target should hold, where it may hold something else.
    """

    source: Side
    target: Side
    layer: Layer
    names: tuple[str, str]
    turn: int
    probe: Array
    theirs: Mapping[str, str]
    read: tuple[Array, Array]
    gave: tuple[Array, Array]
    more: Sequence[Array]
    before: Sequence[tuple[str, Array]]
    kin: Mapping[str, Array]
    attributes: tuple[Mapping[str, Any], Mapping[str, Any]]
    tolerance: Tolerance
    planned: Callable[[str], Array] | None
    alignment: Alignment | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "alignment", align(*self.read, self.maps, self.tolerance))

    @property
    def maps(self) -> Sequence[Map]:
        """Sizes of the maps that may have been flattened into what the layer reads."""
        if self.read[0].ndim != 2:
            return ()
        return [*possible_maps([array.shape for _, array in self.before], self.read[0].shape[1])]

    @property
    def ends(self) -> tuple[str, str]:
        """How the two implementations are called."""
        return self.source.implementation.name, self.target.implementation.name

    def between(self, name: str) -> str:
        """In words, the place between an earlier layer and this one, as both sides call them."""
        here = f"between {name} and {self.names[0]}"
        there = self.theirs.get(name, name), self.names[1]
        return here if there == (name, self.names[0]) else f"{here} ({there[0]} and {there[1]} in {self.ends[1]})"

    def target_gives_reading(self, read: Array) -> bool:
        """Whether the target's layer gives what the source's did when it reads ``read``, channels first."""
        gave = self.replayed(self.target, self.names[1], read)
        return gave is not None and self.target_gives(gave)

    def replayed(
        self,
        side: Side,
        name: str,
        read: Array,
        attributes: Mapping[str, Any] | None = None,
        tensors: Mapping[str, Array] | None = None,
    ) -> Array | None:
        """What a layer of this kind gives when it reads ``read``, both channels first; None where that cannot be."""
        axes = self.layer.kind.output
        more = self.more if side is self.target and name == self.names[1] else ()
        try:
            gave = side.replay(name, [side.native(read, axes), *more], attributes, tensors)
        except ModelError:
            return None
        return side.channels_first(gave[0], axes)

    def target_gives(self, output: Array) -> bool:
        """Whether ``output``, of a changed target, is what the source gave."""
        return self.same(self.gave[0], output)

    def same(self, one: Array, other: Array) -> bool:
        """Whether two arrays agree to the tolerance."""
        return bool(compare(*alike(one, other), self.tolerance))


def gather(
    source: Side,
    target: Side,
    probe: Array,
    diff: LayerDiff,
    tolerance: Tolerance,
    *,
    skip: Collection[str],
    planned: Callable[[str], Array] | None,
) -> Evidence:
    """Run both sides once more, the target re-fed. Call it within ``source.scratch()``: the arrays are in its files."""
    layers = mapped_layers(source, target, skip)
    ran = source.run(probe, "float64", list(layers), reads=[diff.source_name])()
    watched = [
        layer.layer_name(target.implementation.name) for layer in layers.values() if layer.kind is diff.layer.kind
    ]
    again = target.run(probe, "float64", watched, reads=watched, instead=expected(ran, source, target, layers))()
    index = _index(ran.taps, diff.source_name, diff.turn)
    here, there = ran.taps[index], again.taps[_index(again.taps, diff.target_name, diff.turn)]
    asked, axes = (source.attributes(), target.attributes()), diff.layer.kind.output
    return Evidence(
        source=source,
        target=target,
        layer=diff.layer,
        names=(diff.source_name, diff.target_name),
        turn=diff.turn,
        probe=probe,
        theirs={name: layer.layer_name(target.implementation.name) for name, layer in layers.items()},
        read=(_first(source, here.read, axes), _first(target, there.read, axes)),
        gave=(_first(source, here.gave, axes), _first(target, there.gave, axes)),
        more=[exchange.get(message) for message in there.read[1:]],
        before=[
            (tap.layer, _first(source, tap.gave, layers[tap.layer].kind.output))
            for tap in reversed(ran.taps[max(0, index - _NEAR) : index])
        ],
        kin={tap.layer: _first(target, tap.read, axes) for tap in again.taps if tap.layer != diff.target_name},
        attributes=(asked[0].get(diff.source_name, {}), asked[1].get(diff.target_name, {})),
        tolerance=tolerance,
        planned=planned,
    )


def _index(taps: Sequence[Tap], layer: str, turn: int) -> int:
    turns: Counter[str] = Counter()
    for index, tap in enumerate(taps):
        if tap.layer == layer and turns[layer] == turn:
            return index
        turns[tap.layer] += 1
    raise LookupError(f"{layer} did not run {turn + 1} times when it was run again")


def _first(side: Side, placed: Sequence[exchange.Message], axes: str) -> Array:
    """The first of several arrays, channels first; ``axes`` as the layer's kind has them."""
    return side.channels_first(exchange.get(placed[0]), axes)
