"""One file per framework behind one protocol. Runs inside a worker that has numpy and that framework, nothing else."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from xframe.tensors import Array

State = dict[str, tuple[Array, str]]  # state-dict name → stored array and its dtype's name


class NotInEvaluation(RuntimeError):
    """A model ran with a layer in training mode although it was put into evaluation mode."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a layer: the shapes of the first tensor that it read and gave, batch included."""

    layer: str
    read: tuple[int, ...]
    gave: tuple[int, ...]


class Tell(Protocol):
    """Hears of a layer's output."""

    def __call__(self, layer: str, gave: Array) -> None:
        """``gave`` is good until the call returns."""
        ...


class Cotangent(Protocol):
    """What an output is weighted with before gradients are taken."""

    def __call__(self, index: int, shape: tuple[int, ...]) -> Array:
        """For the output of that number and shape, batch included."""
        ...


class Framework(Protocol):
    """What a worker can do with a model. ``Any`` is the framework's own model."""

    versions: dict[str, str]

    def build(self, factory: str, options: Mapping[str, Any], dtype: str) -> Any:
        """Call ``module:factory`` with ``options``; floating-point weights take ``dtype``."""
        ...

    def state(self, model: Any) -> State:
        """The model's state dict, read from the model itself."""
        ...

    def load(self, model: Any, state: State) -> None:
        """Set every tensor of the model. Raises ValueError on any name too many or too few."""
        ...

    def load_file(self, model: Any, path: Path) -> None:
        """Set every tensor with the framework's own strict loader, from a file that xframe wrote or checked."""
        ...

    def save_file(self, model: Any, path: Path) -> None:
        """Write the state dict with the framework's own writer."""
        ...

    def run(self, model: Any, inputs: Array, dtype: str, taps: Sequence[str], tell: Tell) -> list[Array]:
        """The outputs in evaluation mode, in ``dtype``, weights and inputs converted. Raises NotInEvaluation.

        ``tell`` hears what the layers ``taps`` give, while they give it.
        """
        ...

    def gradients(self, model: Any, inputs: Array, dtype: str, cotangent: Cotangent) -> tuple[dict[str, Array], Array]:
        """Of all outputs times their cotangents, summed, in evaluation mode: by tensor of the state dict, and by input.

        Tensors that the framework gives no gradient for, such as running statistics, are left out; one that does not
        reach an output has zeros.
        """
        ...

    def layers(self, model: Any) -> dict[str, str]:
        """Name and class of every layer that can be tapped."""
        ...

    def trace(self, model: Any, inputs: Array, taps: Sequence[str]) -> list[Call]:
        """The calls of these layers in a forward pass in evaluation mode, in their order."""
        ...

    def export_onnx(self, model: Any, path: Path, inputs: Array) -> None:
        """Export with the framework's own exporter, in float32, the batch dynamic."""
        ...


def resolve(factory: str) -> Any:
    """The object that ``module:attribute`` names."""
    module, _, attribute = factory.partition(":")
    found: Any = importlib.import_module(module)
    for name in attribute.split("."):
        found = getattr(found, name)
    return found
