"""Which tensors the outputs can see: of one that they cannot, equal outputs prove nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from xframe.mapping import Entry
from xframe.proving.sides import Side
from xframe.tensors import Array

STATISTICS = {"mean": ("bias", "weight"), "variance": ("weight", "bias")}  # and what is applied behind each
_SEED = 0


class Sensitivity:
    """The gradients of one side over the probe, under way since this was made, behind its forward passes."""

    def __init__(self, side: Side, probe: Array) -> None:
        self._side = side
        self._reply = side.sensitivity(probe, _SEED)

    def unproven(self, outputs: Sequence[Array], rtol: float) -> tuple[str, ...]:
        """Tensors of the side that could change by as much as they hold and move no output by more than ``rtol``.

        A running statistic is seen where the gradient reaches the scale or the shift behind it. Names in the table's
        order; counters that carry no weight are left out.
        """
        scale = max((float(np.abs(output).max(initial=0.0)) for output in outputs), default=0.0) or 1.0
        found: Mapping[str, float] = self._reply.result()
        seen = {name: moved > rtol * scale or not np.isfinite(moved) for name, moved in found.items()}
        return tuple(
            entry.names[self._here].name
            for entry in self._entries
            if not (entry.fill is not None and entry.fill.discard) and not self._is_seen(entry, seen.get)
        )

    @property
    def _here(self) -> str:
        return self._side.implementation.name

    @property
    def _entries(self) -> list[Entry]:
        return [entry for entry in self._side.table.entries if self._here in entry.names]

    def _is_seen(self, entry: Entry, seen: Callable[[str], bool | None]) -> bool:
        """By its own gradient; a statistic without one by that of a neighbour in its layer."""
        own = seen(entry.names[self._here].name)
        if own is not None:
            return own
        neighbours = {
            other.tensor.role: seen(other.names[self._here].name)
            for other in self._entries
            if other.layer is entry.layer
        }
        behind = (neighbours.get(role) for role in STATISTICS.get(entry.tensor.role, ()))
        return next((bool(found) for found in behind if found is not None), False)
