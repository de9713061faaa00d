"""A port as a plan: every tensor's move, fill or drop, decided before any tensor moves. Strict is the only mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from xframe.checkpoints.model import Outgoing
from xframe.dtypes import Loss, as_numbers, convert
from xframe.layouts import Rearrangement
from xframe.mapping import Entry, Fill, Table
from xframe.tensors import STORAGE, Array, TensorSpec

Specs = Mapping[str, TensorSpec]
Values = Callable[[str], Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One tensor's way: from the source's name and axes to the target's.

    ``minus`` names a source tensor whose values are subtracted: a bias that the target lacks, folded into a mean.
    """

    entry: Entry
    source: TensorSpec
    target: TensorSpec
    rearrangement: Rearrangement
    minus: TensorSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A tensor of the target that the source does not have."""

    entry: Entry
    target: TensorSpec
    fill: Fill


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A tensor of the source that the target does not have; it holds the fill, carries nothing, or is folded."""

    entry: Entry
    source: TensorSpec
    because: str
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PortPlan:
    """Everything that a port does, in the target's order."""

    table: Table
    source: str
    target: str
    steps: tuple[Move | Filled, ...]
    dropped: tuple[Dropped, ...]

    @property
    def folds(self) -> bool:
        """Whether a tensor's values go into another one, which rounds: every other step is exact to the bit."""
        return any(drop.folded for drop in self.dropped)

    @property
    def moves(self) -> tuple[Move, ...]:
        return tuple(step for step in self.steps if isinstance(step, Move))

    @property
    def filled(self) -> tuple[Filled, ...]:
        return tuple(step for step in self.steps if isinstance(step, Filled))

    def counts(self) -> dict[str, Any]:
        """How many tensors move, and which are filled or dropped, for machines."""
        return {
            "moved": len(self.moves),
            "filled": [step.target.name for step in self.filled],
            "dropped": [drop.source.name for drop in self.dropped],
        }


def outgoing(plan: PortPlan, values: Values) -> Iterator[Outgoing]:
    """The target's tensors, each computed when it is asked for. ``values`` reads a source tensor in storage dtype."""
    for step in plan.steps:
        yield Outgoing(step.target, partial(computed, step, values))


def computed(step: Move | Filled, values: Values) -> Array:
    """One tensor of the target, in storage dtype and C order."""
    return _moved(step, values) if isinstance(step, Move) else _filled(step)


def _moved(move: Move, values: Values) -> Array:
    array, dtype = values(move.source.name), move.source.dtype
    if move.minus is not None:
        other = as_numbers(values(move.minus.name), move.minus.dtype).astype(np.float64)
        array, dtype = as_numbers(array, dtype).astype(np.float64) - other, "float64"
    return convert(move.rearrangement.apply(array), dtype, move.target.dtype)[0]


def conversion_loss(plan: PortPlan, values: Values) -> Loss:
    """What a conversion of dtypes costs over all tensors; nothing where none is converted."""
    converted = (move for move in plan.moves if move.source.dtype != move.target.dtype)
    losses = (convert(values(move.source.name), move.source.dtype, move.target.dtype)[1] for move in converted)
    return sum(losses, Loss())


def _filled(step: Filled) -> Array:
    values = np.full(step.target.shape, step.fill.value, STORAGE["float64"])
    return convert(values, "float64", step.target.dtype)[0]
