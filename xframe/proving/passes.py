"""What passes through a model give, forwards and backwards, as a side of a port hands it on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from xframe import exchange
from xframe.comparison import Distance
from xframe.tensors import Array

Calls = Mapping[str, Sequence[exchange.Message]]  # by layer, an array for each of its calls


@dataclass(frozen=True, slots=True)
class Tap:
    """What one call of a layer read and gave: where the arrays lie, as its framework laid them out."""

    layer: str
    read: tuple[exchange.Message, ...]
    gave: tuple[exchange.Message, ...]


@dataclass(frozen=True, slots=True)
class Outputs:
    """One forward pass: outputs, channels first, calls of the tapped layers in their order, and the seconds it took."""

    arrays: tuple[Array, ...]
    taps: tuple[Tap, ...]
    seconds: float
    arranged: Callable[[Array], Array]

    @property
    def tapped(self) -> tuple[tuple[str, Array], ...]:
        """By layer, each array that its calls gave, channels first as the outputs are."""
        found = ((tap.layer, exchange.get(place)) for tap in self.taps for place in tap.gave)
        return tuple((layer, self.arranged(array)) for layer, array in found)


@dataclass(frozen=True, slots=True)
class Step:
    """How far one call of a layer is from what its counterpart's gave."""

    layer: str
    turn: int
    distance: Distance


@dataclass(frozen=True, slots=True)
class Walked:
    """A forward pass held against another side's: outputs, channels first, and every call that has a counterpart."""

    arrays: tuple[Array, ...]
    steps: tuple[Step, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Flown:
    """Gradients by tensor, as its framework lays it out, and by input, channels first; what the adapter put right."""

    tensors: dict[str, Array]
    at_input: Array
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LayerCall:
    """One call of a layer: its name, and the shapes it read and gave, C × H × W."""

    layer: str
    read: tuple[int, ...]
    gave: tuple[int, ...]
