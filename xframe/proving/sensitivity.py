"""Which tensors the outputs can see: of one that they cannot, equal outputs prove nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from xframe.mapping import Entry
from xframe.proving.sides import Side
from xframe.tensors import Array

_SEED = 0
# A running statistic has no gradient of its own everywhere. BN(x) = weight (x - mean) / sqrt(variance) + bias: what
# moves the mean moves the bias, what moves the variance moves the weight, each times the weight.
_BEHIND = {"mean": ("bias", "weight"), "variance": ("weight", "bias")}
Measured = Mapping[str, tuple[float, float]]  # by tensor: its largest gradient, its largest value


class Sensitivity:
    """The gradients of one side over the probe, under way since this was made, behind its forward passes."""

    def __init__(self, side: Side, probe: Array) -> None:
        self._side = side
        self._probe = probe
        self._reply = side.sensitivity(probe, _SEED)

    def unproven(self, outputs: Sequence[Array], rtol: float) -> tuple[str, ...]:
        """Tensors that could change by as much as they hold and move no output by more than ``rtol``, to first order.

        In the table's order. Counters that carry no weight are left out. Raises ModelError where the side's framework
        gives no gradients.
        """
        scale = max((float(np.abs(output).max(initial=0.0)) for output in outputs), default=0.0) or 1.0
        return tuple(name for name, moved in self.moved().items() if moved <= rtol * scale)

    def moved(self) -> dict[str, float]:
        """How far the outputs move, to first order, when a tensor changes by what it holds, by 1 if it is zero."""
        found: Measured = self._reply.result()
        here = self._side.implementation.name
        layers: dict[int, dict[str, Entry]] = defaultdict(dict)
        for entry in self._side.table.entries:
            if here in entry.names and not (entry.fill is not None and entry.fill.discard):
                layers[id(entry.layer)][entry.tensor.role] = entry
        moved = {
            entry.names[here].name: _moved(role, {other: found.get(e.names[here].name) for other, e in roles.items()})
            for roles in layers.values()
            for role, entry in roles.items()
        }
        without = [name for name, distance in moved.items() if distance is None]
        nudged = self._side.nudged(self._probe, without, _SEED) if without else {}
        return {name: nudged[name] if distance is None else distance for name, distance in moved.items()}


def _moved(role: str, layer: Mapping[str, tuple[float, float] | None]) -> float | None:
    """By the tensor's own gradient; a statistic without one by that of what is applied behind it; else None."""
    own = layer[role]
    if own is not None:
        gradient, largest = own
        return gradient * (largest or 1.0)
    scale = layer.get("weight")
    gradients = (layer.get(other) for other in _BEHIND.get(role, ()))
    behind = next((found[0] for found in gradients if found is not None), None)
    return None if behind is None else behind * (1.0 if scale is None else scale[1])
