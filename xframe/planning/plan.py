"""A port as a plan: every tensor's move, fill or drop, decided before any tensor moves. Strict is the only mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from xframe.checkpoints.model import Outgoing
from xframe.dtypes import as_numbers, convert
from xframe.layouts import Rearrangement
from xframe.mapping import Entry, Fill, Table
from xframe.planning.account import Account
from xframe.strips import strips
from xframe.tensors import Array, TensorSpec

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
    def differences(self) -> tuple[str, ...]:
        """What the table says that one end does and the other does not, though the weights fit."""
        return self.table.differences_between(self.source, self.target)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors of the target."""
        return sum(step.target.nbytes for step in self.steps)

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


def outgoing(plan: PortPlan, values: Values, account: Account) -> list[Outgoing]:
    """The target's tensors, each computed strip by strip when it is asked for; ``account`` learns what it cost.

    ``values`` reads a source tensor in storage dtype.
    """
    return [Outgoing(step.target, partial(_strips, step, values, account)) for step in plan.steps]


def computed(step: Move | Filled, values: Values) -> Array:
    """One tensor of the target, whole, in storage dtype and C order."""
    return Outgoing(step.target, partial(_strips, step, values, Account())).values()


def _strips(step: Move | Filled, values: Values, account: Account) -> Iterator[Array]:
    if isinstance(step, Filled):
        value = convert(np.array([step.fill.value]), "float64", step.target.dtype)[0]
        yield from strips(np.broadcast_to(value[0], step.target.shape))
        return
    source, array = step.source, values(step.source.name)
    if step.minus is not None:
        other = as_numbers(values(step.minus.name), step.minus.dtype).astype(np.float64)
        array = as_numbers(array, source.dtype).astype(np.float64) - other
        source = replace(source, dtype="float64")
    for strip in strips(step.rearrangement.view(array)):
        yield account.passed(strip, source, step.target.dtype)
