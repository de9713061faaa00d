"""A port as a plan: every tensor's move, fill or drop, decided before any tensor moves. Strict is the only mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from xframe.layouts import Rearrangement
from xframe.mapping import Entry, Fill, Table
from xframe.tensors import Array, TensorSpec

Specs = Mapping[str, TensorSpec]
Values = Callable[[str], Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """A source tensor that another one takes over: ``sign`` times its values are added, in float64.

    ``rearrangement`` leads to the axes of the tensor that takes it over, in the source.
    """

    source: TensorSpec
    sign: int
    rearrangement: Rearrangement


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One tensor's way: from the source's name and axes to the target's.

    ``rearrangement`` may take one block of the source, and within a Join it may lead to one block of the target.
    ``folds`` are tensors that the target lacks and whose values go along.
    """

    entry: Entry
    source: TensorSpec
    target: TensorSpec
    rearrangement: Rearrangement
    folds: tuple[Fold, ...] = ()

    @property
    def pieces(self) -> tuple[Move, ...]:
        return (self,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """A tensor of the target that the source keeps in several or in blocks: each piece leads to a block of it."""

    target: TensorSpec
    pieces: tuple[Move, ...]

    @property
    def entry(self) -> Entry:
        """The first piece's."""
        return self.pieces[0].entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A tensor of the target that the source does not have."""

    entry: Entry
    target: TensorSpec
    fill: Fill

    @property
    def pieces(self) -> tuple[Move, ...]:
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A tensor of the source that the target does not have; it holds the fill, carries nothing, or is folded.

    Or it is another name of a tensor that moves. ``folded`` says that another layer takes its values over, so that the
    two differ until then; ``added`` that a tensor of its own layer does.
    """

    entry: Entry
    source: TensorSpec
    because: str
    folded: bool = False
    added: bool = False


Step = Move | Join | Filled


@dataclass(frozen=True, slots=True, kw_only=True)
class PortPlan:
    """Everything that a port does, in the target's order."""

    table: Table
    source: str
    target: str
    steps: tuple[Step, ...]
    dropped: tuple[Dropped, ...]

    @property
    def folds(self) -> bool:
        """Whether a tensor's values go into another one, which rounds: every other step is exact to the bit."""
        return any(drop.folded or drop.added for drop in self.dropped)

    @property
    def differences(self) -> tuple[str, ...]:
        """What the table says that one end does and the other does not, though the weights fit."""
        return self.table.differences_between(self.source, self.target)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors of the target."""
        return sum(step.target.nbytes for step in self.steps)

    @property
    def moves(self) -> tuple[Move | Join, ...]:
        """The steps that take values from the source."""
        return tuple(step for step in self.steps if not isinstance(step, Filled))

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
