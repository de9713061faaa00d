"""Training, an ability of its own: one step at a time, so that two sides can be held against each other after each.

Everything is computed in float64, in training mode: batch norms use the statistics of the batch and keep running ones.
Dropout is off, for no two frameworks draw the same masks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from xframe.frameworks.attributes import Attributes
from xframe.tensors import Array

LOGITS = "cross entropy of logits"
PROBABILITIES = "cross entropy of probabilities"
SQUARES = "mean squared error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an optimizer is built with; every figure is given to its constructor, none is left to a default.

    ``weight_decay`` goes to the constructor too. ``l2`` and ``shrink`` are for what it cannot do: ``l2`` · p is added
    to the gradient before it, p is multiplied by 1 − learning_rate · ``shrink`` before it.
    """

    name: str
    learning_rate: float
    momentum: float
    betas: tuple[float, float]
    epsilon: float
    rho: float
    weight_decay: float
    l2: float
    shrink: float
    dtype: str = "float64"  # of weights and state; parity is of float64, files hold what a user's model has


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Inputs, and what is expected of each output: class indices (int64) of N×C, or an array of its shape."""

    inputs: Array
    expected: list[Array]
    objective: str


@dataclass(slots=True)
class Slots:
    """An optimizer's state: how many steps it has done, and by role and tensor of the state dict what it keeps.

    Roles are ``momentum``, ``first_moment``, ``second_moment`` and ``mean_square``.
    """

    step: int = 0
    held: dict[str, dict[str, Array]] = field(default_factory=dict)


@dataclass(slots=True)
class Silenced:
    """Dropout that was turned off: the layers, and the calls of functions in the last step."""

    layers: list[str] = field(default_factory=list)
    calls: int = 0


class Trainer(Protocol):
    """One model under training."""

    model: Any  # the framework's own, in float64
    silenced: Silenced

    def gradients(self, batch: Batch) -> tuple[float, dict[str, Array]]:
        """Loss, and gradients by tensor of the state dict that moves and reaches the loss; statistics move."""
        ...

    def step(self, batch: Batch) -> tuple[float, dict[str, Array]]:
        """The same, and then the optimizer's step."""
        ...

    def altered(self, attributes: Mapping[str, Attributes]) -> AbstractContextManager[None]:
        """The model with other attributes in some layers, in xframe's spelling, until the end."""
        ...

    def slots(self) -> Slots:
        """The optimizer's state, in float64. Roles that it does not keep are left out; before a step, zeros."""
        ...

    def set_slots(self, slots: Slots) -> None:
        """Go on from another state. Raises ValueError for a role or tensor too many or too few."""
        ...

    def keys(self) -> list[tuple[str, str, str]]:
        """Role, tensor and the name of it in a file that ``save`` writes, as xframe's readers name it.

        The role "step" is the count of steps, whatever the framework keeps for it; "" is of no consequence.
        """
        ...

    def save(self, path: Path) -> None:
        """Write the optimizer's state as the framework's users do."""
        ...

    def load(self, path: Path) -> None:
        """Go on from such a file, which xframe wrote or checked."""
        ...


class Trains(Protocol):
    """A framework whose models can be trained."""

    def trainer(self, model: Any, recipe: Recipe) -> Trainer:
        """Put a model under training. Raises ValueError for an optimizer that the framework does not have."""
        ...


def expect_outputs(outputs: Sequence[Any], batch: Batch) -> None:
    """Raises ValueError where a model gives other outputs than are expected: nothing is broadcast."""
    if len(outputs) != len(batch.expected):
        raise ValueError(
            f"the model gives {len(outputs)} outputs in training mode, {len(batch.expected)} in evaluation mode; train "
            f"a variant without auxiliary outputs"
        )
    for output, expected in zip(outputs, batch.expected, strict=True):
        shape = tuple(output.shape)
        wanted = expected.shape if batch.objective == SQUARES else (len(expected), *shape[1:2])
        if shape != wanted:
            raise ValueError(f"an output of {list(shape)} cannot be held against a target of {list(expected.shape)}")


def expect_same(held: Mapping[str, Any], given: Mapping[str, Any], what: str) -> None:
    """Raises ValueError naming what is missing and what is too many."""
    if held.keys() != given.keys():
        missing, unknown = sorted(held.keys() - given.keys()), sorted(given.keys() - held.keys())
        raise ValueError(f"the optimizer's state lacks {what} {missing or 'none'} and has {unknown or 'none'} too many")
