"""A mutant: what was spoilt in a right port, and what the diff must say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Kinds of mutants, each with the causes that are right for it. "other values" is what a file holds where no other cause
# explains it: it names the tensor, and is confirmed where the source's values make the layer agree.
_VALUES = frozenset({"other values"})
_SWAPPED = frozenset({"swapped tensors", "swapped layers"})
_AXES = frozenset({"missing transpose", "permuted axes"})
WEIGHTS: Mapping[str, frozenset[str]] = {
    "two tensors swapped": _VALUES | _SWAPPED,
    "two axes exchanged": _VALUES | _AXES,
    "scaled by 1 + 1e-6": _VALUES,
    "a channel zeroed": _VALUES,
    "channels permuted": _VALUES,
}
NETWORKS: Mapping[str, frozenset[str]] = {
    "epsilon, by 1e-6": frozenset({"epsilon"}),
    "epsilon, by a thousandth": frozenset({"epsilon"}),
    "relu left out": frozenset({"missing activation", "activation"}),
    "padding shifted": frozenset({"padding"}),
    "other pool": frozenset({"pooling", "kind", "ceil_mode", "padding", "size"}),
}
CAUSES: Mapping[str, frozenset[str]] = {**WEIGHTS, **NETWORKS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An architecture and an ordered pair of its implementations."""

    model: str
    source: str
    target: str

    def __str__(self) -> str:
        return f"{self.model} {self.source} → {self.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One fault in the target of a right port; ``says`` describes it, ``number`` it is in the run.

    ``planted`` are the source's names of the layers that it was planted in; none where it lies between mapped layers.
    ``tensors`` are the target's tensors that it changes.
    """

    number: int
    place: Place
    kind: str
    says: str
    planted: tuple[str, ...] = ()
    tensors: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.place}: {self.kind}: {self.says}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the diff said of a mutant, next to what is known of it.

    ``expected`` is the source's name of the layer that must be the first divergence: the first, in the source's order,
    that was planted in, or whose bits changed where the fault lies between layers; "output" behind the last.
    ``outputs`` and ``layers`` are the largest relative differences, ``files`` whether the tensors of the two files
    differ.
    """

    mutant: Mutant
    verdict: str
    expected: str
    found: str = ""
    outputs: float = 0.0
    layers: float = 0.0
    by_outputs: bool = False
    by_layers: bool = False
    files: bool = False
    causes: tuple[tuple[str, bool], ...] = ()  # word, confirmed
    told: str = ""
    crash: str = ""
    equivalent: str = ""  # how it was shown, "" where it was not
    unproven: bool = False
    seconds: float = 0.0

    @property
    def computed(self) -> bool:
        """Whether anything that the networks compute gave it away."""
        return self.by_outputs or self.by_layers

    @property
    def caught(self) -> bool:
        return self.computed or self.files

    @property
    def located(self) -> bool:
        return self.computed and self.found == self.expected

    @property
    def named(self) -> bool:
        """Whether a cause is right; none is at another layer."""
        return self.located and any(self._right(cause) for cause, _ in self.causes)

    @property
    def confirmed(self) -> bool:
        """Whether a right cause is confirmed."""
        return self.located and any(sure and self._right(cause) for cause, sure in self.causes)

    @property
    def misled(self) -> bool:
        """Whether a wrong cause was confirmed, or one of a layer that was not spoilt."""
        return any(sure and not (self.located and self._right(cause)) for cause, sure in self.causes)

    @property
    def passed_silently(self) -> bool:
        return not self.caught and not self.equivalent and not self.unproven and not self.crash

    def _right(self, cause: str) -> bool:
        """Every word of it."""
        return all(word in CAUSES[self.mutant.kind] for word in cause.split(" and "))
