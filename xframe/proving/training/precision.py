"""What Paddle computes in float32 though its tensors are float64, and what that does to gradients.

Normalisation: epsilon goes to the operator as a float32 attribute. It is tried out: the other side takes the rounded
epsilon for one pass, and has to give the same gradients then. Average pools: the gradient of a window of n values is
spread with the float32 number nearest to 1/n (paddle/phi/kernels/funcs/pooling.cc), which scales every gradient before
the pool by that number times n. Both were measured on paddle 3.3.1 to the last bit; forward passes are exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from math import prod
from typing import Any

from xframe.proving.optimizers.rules import single
from xframe.proving.training.sides import Batch, TrainingSide

_ROUNDING_SIDE = "paddle"
_MOST_POOLS = 6  # products of more factors than that are not tried


@dataclass(frozen=True, slots=True)
class Precision:
    """What one side rounds. ``side`` is its number, ``epsilons`` the other side's layers with the rounded figures.

    ``scales`` are the factors that each average pool puts on gradients.
    """

    side: int
    epsilons: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scales: tuple[float, ...] = ()

    @property
    def factors(self) -> Iterator[float]:
        """What gradients before some of the pools are multiplied with, least pools first."""
        seen: set[float] = set()
        for count in range(1, min(len(self.scales), _MOST_POOLS) + 1):
            for chosen in combinations(self.scales, count):
                if (found := prod(chosen)) not in seen:
                    seen.add(found)
                    yield found


def precision_of(ends: tuple[TrainingSide, TrainingSide], batch: Batch) -> Precision | None:
    """Where exactly one side is Paddle's, what it rounds. Runs it in float32: restart both sides behind this."""
    rounding = [number for number, end in enumerate(ends) if end.framework == _ROUNDING_SIDE]
    if len(rounding) != 1:
        return None
    (number,) = rounding
    end = ends[number]
    held = end.side.attributes()
    epsilons = dict(_epsilons(held, ends[1 - number].side.attributes()))
    return Precision(number, epsilons, tuple(_scales(end, held, batch)))


def _epsilons(
    held: Mapping[str, Mapping[str, Any]], theirs: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The other side's own figures, rounded: a layer that has another epsilon keeps it. Of kinds that both have."""
    kinds = {attributes["kind"] for attributes in held.values() if "epsilon" in attributes}
    for layer, attributes in theirs.items():
        epsilon = attributes.get("epsilon")
        if attributes["kind"] in kinds and epsilon is not None and single(epsilon) != epsilon:
            yield layer, {"epsilon": single(epsilon)}


def _scales(end: TrainingSide, held: Mapping[str, Mapping[str, Any]], batch: Batch) -> Iterator[float]:
    pools = [layer for layer, attributes in held.items() if attributes["kind"] in ("avg_pool", "adaptive_avg_pool")]
    for call in end.side.trace(batch.inputs, pools)() if pools else ():
        attributes = held[call.layer]
        window = attributes.get("window")
        n = prod(window) if window else prod(call.read[1:]) // prod(call.gave[1:])
        if (scale := single(1 / n) * n) != 1.0:
            yield scale
