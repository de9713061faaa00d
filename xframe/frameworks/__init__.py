"""One file or folder per framework behind one protocol. Runs inside a worker that has numpy and that framework."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from xframe.frameworks.attributes import Attributes
from xframe.frameworks.oddities import Oddity
from xframe.tensors import Array

_PROTOBUF = 2**31 - 2**24  # bytes of weights, and some for the graph
State = dict[str, tuple[Array, str]]  # state-dict name → stored array and its dtype's name


class NotInEvaluation(RuntimeError):
    """A model ran with a layer in training mode although it was put into evaluation mode."""


class Visit(Protocol):
    """Hears of each call of a layer, while the model runs."""

    def __call__(self, layer: str, read: Callable[[], list[Array]], gave: list[Array]) -> list[Array] | None:
        """``read()`` and ``gave`` are the tensors that the layer read and gave, good until the call returns.

        What is returned, one array for each of ``gave``, goes on through the model instead; None lets all go on.
        """
        ...


class Cotangent(Protocol):
    """What an output is weighted with before gradients are taken."""

    def __call__(self, index: int, shape: tuple[int, ...]) -> Array:
        """For the output of that number and shape, batch included."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a layer is to be for one call: attributes in xframe's spelling, tensors under the layer's own names."""

    attributes: Attributes = field(default_factory=dict)
    tensors: State = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Backward:
    """Gradients by tensor of the state dict and by input; ``notes`` say what the adapter had to put right."""

    tensors: dict[str, Array]
    at_input: Array
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Precision:
    """Switches as they stand, and those among them that are not as strict as they could be on this machine."""

    switches: dict[str, str]
    reduced: tuple[str, ...] = ()


def environment_switches() -> dict[str, str]:
    """Variables that reduce precision in whatever framework reads them, where they are set."""
    return {
        name: os.environ[name] for name in ("NVIDIA_TF32_OVERRIDE", "ONEDNN_DEFAULT_FPMATH_MODE") if name in os.environ
    }


class Framework(Protocol):
    """What a worker can do with a model. ``Any`` is the framework's own model."""

    versions: dict[str, str]

    def build(self, factory: str, options: Mapping[str, Any], dtype: str) -> Any:
        """The model of a ``build``: its factory called with ``options``, or a saved model.

        Floating-point weights take ``dtype``. Raises Unbuildable.
        """
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

    def run(self, model: Any, inputs: Array, dtype: str, taps: Sequence[str], visit: Visit) -> list[Array]:
        """The outputs in evaluation mode, in ``dtype``, weights and inputs converted. Raises NotInEvaluation.

        ``visit`` hears of each call of the layers ``taps``, in the order in which they end.
        """
        ...

    def replay(self, model: Any, layer: str, reads: Sequence[Array], dtype: str, changes: Changes) -> list[Array]:
        """What one layer gives in evaluation mode when it reads ``reads``, changed for this call alone."""
        ...

    def gradients(self, model: Any, inputs: Array, dtype: str, cotangent: Cotangent) -> Backward:
        """Of all outputs times their cotangents, summed, in evaluation mode.

        Tensors that the framework gives no gradient for, such as running statistics, are left out; one that does not
        reach an output has zeros.
        """
        ...

    def trainable(self, model: Any) -> list[str]:
        """The tensors of the state dict that an optimizer would move: neither buffers nor frozen ones."""
        ...

    def layers(self, model: Any) -> dict[str, str]:
        """Name and class of every layer that can be tapped."""
        ...

    def attributes(self, model: Any) -> dict[str, Attributes]:
        """By layer of a known class, what it does besides holding tensors, in xframe's spelling."""
        ...

    def oddities(self, model: Any, inputs: Array) -> list[Oddity]:
        """Layers that are not registered, and whether a forward pass over ``inputs`` calls them; untrue lengths."""
        ...

    def precision(self) -> Precision:
        """The switches of this process that let float32 be computed in less."""
        ...

    def export_onnx(self, model: Any, path: Path, inputs: Array, *, opset: int | None, external: bool) -> str:
        """Export with the framework's own exporter, in float32, the batch dynamic; the exporter and its version.

        ``opset`` None leaves that to the exporter. With ``external`` weights may go beside the graph, as those of over
        2 GB must: Protobuf holds no more. Raises ValueError where the exporter cannot do that.
        """
        ...


def fits_one_file(state: State) -> None:
    """Raises ValueError for weights that one Protobuf message cannot hold."""
    held = sum(array.nbytes for array, _ in state.values())
    if held > _PROTOBUF:
        raise ValueError(f"{held / 1e9:.1f} GB of weights do not fit into one file of 2 GB, and it writes no other")


def as_input(array: Array, dtype: str) -> Array:
    """What a model is fed: floating-point numbers in ``dtype``, whole ones, such as token ids, as they are."""
    return array.astype(dtype) if array.dtype.kind == "f" else array
