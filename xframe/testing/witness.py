"""Why a layer does not give what a golden has of it: its attributes and tensors are tried out, the sketch decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xframe import exchange
from xframe.comparison import Tolerance
from xframe.errors import ModelError
from xframe.mapping import Layer
from xframe.proving.causes import Cause
from xframe.proving.causes.attributes import IN_TRAINING, spoken
from xframe.proving.causes.tensors import tensor_causes
from xframe.proving.passes import Tap
from xframe.proving.sides import Side
from xframe.tensors import Array
from xframe.testing.goldens import Call, Golden
from xframe.testing.passage import DTYPE, turns
from xframe.testing.sketch import compare_sketches, sketch

_OF_ITS_OWN = IN_TRAINING | {"kind", "size"}  # without effect on a call, or not to be set
_NEAR = 8  # so many layers before are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenWitness:
    """A layer that parts, the call of it that was recorded, and what it reads here, channels first in float64."""

    target: Side
    layer: Layer
    names: tuple[str, str]
    ends: tuple[str, str]
    recorded: Call
    read: tuple[Array, Array]
    more: Sequence[Array]
    before: Sequence[tuple[str, Array]]
    attributes: tuple[Mapping[str, Any], Mapping[str, Any]]
    tolerance: Tolerance
    planned: Callable[[str], Array] | None = None

    def replayed(
        self,
        side: Side,
        name: str,
        read: Array,
        attributes: Mapping[str, Any] | None = None,
        tensors: Mapping[str, Array] | None = None,
    ) -> Array | None:
        """What the layer gives when it reads ``read``, both channels first; None where that cannot be."""
        axes = self.layer.kind.output
        try:
            gave = side.replay(name, [side.native(read, axes), *self.more], attributes, tensors)
        except ModelError:
            return None
        return side.channels_first(gave[0], axes)

    def target_gives(self, output: Array) -> bool:
        """Whether ``output`` is, by its sketch, what was recorded."""
        fits = output.size == np.prod(self.recorded.shape)
        return fits and bool(compare_sketches(self.recorded.sketch, sketch(output), output.size, self.tolerance))


def causes_of(
    golden: Golden, place: int, target: Side, there: str, *, probe: Array, tolerance: Tolerance
) -> list[Cause]:
    """Causes of the first layer that parts, the recorded call number ``place``; ``there`` is what the target calls it.

    The layer reads what it read when it was recorded, for every layer before it agrees; what lies between it and those
    cannot be seen in a golden. The target runs once more, the layer alone for each trial.
    """
    with target.scratch():
        witness = _witness(golden, place, target, there, probe=probe, tolerance=tolerance)
        if witness is None:
            return []
        found = [*_attributes(witness)]
        confirmed = [cause for cause in found if cause.confirmed]
        return confirmed or [*tensor_causes(witness)] or found


def _witness(
    golden: Golden, place: int, target: Side, there: str, *, probe: Array, tolerance: Tolerance
) -> GoldenWitness | None:
    call, turn = golden.calls[place], turns(golden.calls)[place][1]
    layers = {layer.layer_name(golden.column): layer for layer in target.table.layers}
    layer = layers[call.layer]
    ran = target.run(probe, DTYPE, [there], reads=[there])()
    taps = [tap for tap in ran.taps if tap.layer == there]
    if turn >= len(taps):
        return None
    read, more = _read(target, taps[turn], layer.kind.output)
    before = [
        (layers[earlier.layer].layer_name(golden.column), np.broadcast_to(0.0, earlier.shape))
        for earlier in reversed(golden.calls[max(0, place - _NEAR) : place])
    ]
    return GoldenWitness(
        target=target,
        layer=layer,
        names=(call.layer, there),
        ends=(golden.column, target.implementation.name),
        recorded=call,
        read=(read, read),
        more=more,
        before=before,
        attributes=(golden.attributes.get(call.layer, {}), target.attributes().get(there, {})),
        tolerance=tolerance,
    )


def _read(side: Side, tap: Tap, axes: str) -> tuple[Array, list[Array]]:
    first, *more = (exchange.get(message) for message in tap.read)
    return side.channels_first(first, axes), more


def _attributes(witness: GoldenWitness) -> Iterator[Cause]:
    """Those that make the layer agree, one by one, else together; else every one that differs but for padding.

    Padding may be done by a layer of its own on either side: it says something only where the trial confirms it.
    """
    one, other = witness.attributes
    apart = {
        name: one[name]
        for name in sorted(one.keys() & other.keys() - _OF_ITS_OWN)
        if one[name] != other[name] and not isinstance(one[name], dict)
    }
    trials = [{name: value} for name, value in apart.items()]
    for sort in (trials, [apart] if len(apart) > 1 else []):
        confirmed = [trial for trial in sort if _agrees(witness, trial)]
        if confirmed:
            yield from (_cause(witness, trial, confirmed=True) for trial in confirmed)
            return
    yield from (_cause(witness, trial, confirmed=False) for trial in trials if "padding" not in trial)


def _agrees(witness: GoldenWitness, attributes: Mapping[str, Any]) -> bool:
    gave = witness.replayed(witness.target, witness.names[1], witness.read[1], attributes)
    return gave is not None and witness.target_gives(gave)


def _cause(witness: GoldenWitness, attributes: Mapping[str, Any], *, confirmed: bool) -> Cause:
    (here, there), (one, other) = witness.ends, witness.names
    said = "; ".join(
        f"{name} is {spoken(value)} in {here}'s {one}, as it was recorded, and {spoken(witness.attributes[1][name])} "
        f"in {there}'s {other}"
        for name, value in attributes.items()
    )
    settings = " and ".join(f"{name} {spoken(value)}" for name, value in attributes.items())
    return Cause(
        cause=" and ".join(attributes),
        detail=f"{said}.",
        confirmed=confirmed,
        change=f"give {other} in {there} {settings}",
    )
