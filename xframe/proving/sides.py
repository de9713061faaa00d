"""One side of a port: an implementation, built in its framework's worker, fed channels-first whatever its layout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xframe import exchange
from xframe.checkpoints.model import Checkpoint
from xframe.dtypes import convert
from xframe.mapping import Implementation, Table
from xframe.tensors import FLOATS, Array, Extent, TensorSpec
from xframe.workers import Pool, Reply


@dataclass(frozen=True, slots=True)
class Outputs:
    """One forward pass: outputs and tapped layers' outputs, channels first, and the seconds it took."""

    arrays: tuple[Array, ...]
    taps: tuple[tuple[str, Array], ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class LayerCall:
    """One call of a layer: its name, and the shapes it read and gave, C × H × W."""

    layer: str
    read: tuple[int, ...]
    gave: tuple[int, ...]


class Side:
    """The source or the target of a port. Requests return at once; what is returned waits when it is called."""

    def __init__(self, pool: Pool, table: Table, implementation: Implementation, handle: str, dtype: str) -> None:
        self.table = table
        self.implementation = implementation
        self._pool = pool
        self._handle = handle
        self._worker = pool[implementation.framework.name]
        self._inputs: list[tuple[Array, exchange.Message]] = []
        options = table.build_options(implementation)
        self._built = self._ask("build", factory=implementation.build, options=options, dtype=dtype)

    def _ask(self, command: str, **arguments: object) -> Reply:
        return self._worker.ask(command, handle=self._handle, **arguments)

    @property
    def specs(self) -> dict[str, TensorSpec]:
        """The built model's own state dict; waits for the build."""
        return {name: TensorSpec(name, tuple(shape), dtype) for name, shape, dtype in self._built.result()}

    @property
    def versions(self) -> dict[str, str]:
        return dict(self._worker.hello["versions"])

    def load(self, tensors: Iterable[tuple[str, exchange.Message]]) -> Reply:
        """Set every tensor from mapped arrays."""
        return self._ask("load", tensors=list(tensors))

    def load_file(self, path: Path) -> Reply:
        """Set every tensor with the framework's own loader."""
        return self._ask("load_file", path=str(path.absolute()))

    def save_file(self, path: Path) -> None:
        """Write the state dict with the framework's own writer."""
        self._ask("save_file", path=str(path.absolute())).result()

    def release(self) -> None:
        """Let the worker forget the model."""
        self._ask("release").result()

    def state(self) -> Callable[[], dict[str, Extent]]:
        """The model's state dict, read back from the model itself: where each tensor can be mapped."""
        reply = self._ask("state")
        return lambda: {name: Extent.from_message(message) for name, message in reply.result()}

    def run(self, probe: Array, dtype: str, taps: Sequence[str] = ()) -> Callable[[], Outputs]:
        """A forward pass over a channels-first probe in ``dtype``."""
        reply = self._ask("run", inputs=self._place(probe), dtype=dtype, taps=list(taps))
        return lambda: self._outputs(reply)

    def sensitivity(self, probe: Array, seed: int) -> Reply:
        """By tensor that has a gradient: the largest of it, and of the tensor's own absolute values."""
        return self._ask("sensitivity", inputs=self._place(probe), seed=seed)

    def layers(self) -> dict[str, str]:
        """Name and class of every layer that can be tapped; none where the model has no layers."""
        return dict(self._ask("layers").result())

    def trace(self, probe: Array, taps: Sequence[str]) -> Callable[[], list[LayerCall]]:
        """The calls of these layers in a forward pass, in their order, for one image of the probe, channels first."""
        reply = self._ask("trace", inputs=self._place(probe), taps=list(taps))
        return lambda: [LayerCall(name, self._one(read), self._one(gave)) for name, read, gave in reply.result()]

    def _one(self, shape: Sequence[int]) -> tuple[int, ...]:
        """A shape without its batch, channels first."""
        rest = tuple(shape[1:])
        last = self.implementation.framework.channels == "last" and len(rest) > 1
        return (rest[-1], *rest[:-1]) if last else rest

    def export_onnx(self, path: Path, probe: Array) -> Reply:
        """Export with the framework's own exporter."""
        return self._ask("export_onnx", path=str(path.absolute()), inputs=self._place(probe))

    def native(self, probe: Array) -> Array:
        """The probe in this implementation's layout."""
        return np.ascontiguousarray(np.moveaxis(probe, 1, -1)) if self._channels_last(probe) else probe

    def channels_first(self, array: Array) -> Array:
        """An output of this implementation, channels first."""
        return np.moveaxis(array, -1, 1) if self._channels_last(array) else array

    def _channels_last(self, array: Array) -> bool:
        return self.implementation.framework.channels == "last" and array.ndim > 2

    def _place(self, probe: Array) -> exchange.Message:
        for known, message in self._inputs:
            if known is probe:
                return message
        native = self.native(probe)
        ((_, message),) = self._pool.put(f"input-{self._handle.replace('/', '-')}", [("", native, native.dtype.name)])
        self._inputs.append((probe, message))
        return message

    def _outputs(self, reply: Reply) -> Outputs:
        result = reply.result()
        arrays = tuple(self.channels_first(exchange.get(message)) for _, message in result["outputs"])
        taps = tuple((name, self.channels_first(exchange.get(message))) for name, message in result["taps"])
        return Outputs(arrays, taps, result["seconds"])


def place_checkpoint(
    pool: Pool, checkpoint: Checkpoint, dtype: str | None, extra: Mapping[str, Array]
) -> list[tuple[str, exchange.Message]]:
    """A checkpoint's tensors where a worker can map them: in the file itself, or copied where they must be converted.

    ``dtype`` converts floating-point tensors; ``extra`` adds tensors that the file leaves out.
    """
    placed, copied = [], []
    for name, tensor in checkpoint.tensors.items():
        own = tensor.spec.dtype
        wanted = dtype if dtype is not None and own in FLOATS else own
        if tensor.extent is not None and wanted == own:
            placed.append((name, tensor.extent.to_message()))
        else:
            copied.append((name, convert(tensor.array(), own, wanted)[0], wanted))
    copied.extend((name, array, array.dtype.name) for name, array in extra.items())
    return placed + pool.put("checkpoint", copied)
