"""One side of a port: an implementation, built in its framework's worker, fed channels-first whatever its layout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from xframe import checkpoints, exchange
from xframe.builds import NOTHING
from xframe.comparison import Distance
from xframe.errors import UsageError
from xframe.mapping import Implementation, Table
from xframe.proving.passes import Calls, Flown, LayerCall, Outputs, Step, Tap, Walked
from xframe.tensors import Array, Extent, TensorSpec
from xframe.workers import Pool, Reply


def _names(implementation: Implementation) -> dict[str, list[str]]:
    """What the parameters of a Paddle inference model are called, which our own reader finds out and Paddle does not.

    Our readers look at every saved model whose weights they know before its framework does: what is hostile or damaged
    is refused here. Raises CheckpointError.
    """
    build, framework = implementation.build, implementation.framework.name
    if not build.is_saved or framework == "torch":
        return {}
    held = checkpoints.read(Path(build.place))
    return {"names": list(held.tensors)} if framework == "paddle" else {}


class Side:
    """The source or the target of a port. Requests return at once; what is returned waits when it is called."""

    def __init__(self, pool: Pool, table: Table, implementation: Implementation, handle: str, dtype: str) -> None:
        if implementation.build == NOTHING:
            raise UsageError(
                f"{table.name}'s column '{implementation.name}' does not say what builds its model, so nothing of it "
                f"can be run. Give it a build; `xframe convert` moves weights without."
            )
        self.table = table
        self.implementation = implementation
        self.dtype = dtype
        self._pool = pool
        self._handle = handle
        self._worker = pool[implementation.framework.name]
        self._inputs: list[tuple[Array, exchange.Message]] = []
        options = {**table.build_options(implementation), **_names(implementation)}
        self._built = self._ask("build", factory=implementation.build.text, options=options, dtype=dtype)

    def _ask(self, command: str, **arguments: object) -> Reply:
        return self._worker.ask(command, handle=self._handle, **arguments)

    def again(self, handle: str, dtype: str) -> Side:
        """The same implementation, built once more in ``dtype``."""
        return Side(self._pool, self.table, self.implementation, f"{self._handle} {handle}", dtype)

    def ask(self, command: str, **arguments: object) -> Reply:
        """Another of the worker's commands, about this side's model: training, for one."""
        return self._ask(command, **arguments)

    def put(self, arrays: Iterable[tuple[str, Array, str]]) -> list[tuple[str, exchange.Message]]:
        """Place named arrays, with their dtypes' names, where the worker can map them."""
        return self._pool.put(f"side-{self._handle.replace('/', '-')}", arrays)

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

    def run(
        self,
        probe: Array,
        dtype: str,
        taps: Sequence[str] = (),
        *,
        reads: Sequence[str] = (),
        instead: Calls | None = None,
    ) -> Callable[[], Outputs]:
        """A forward pass over a channels-first probe in ``dtype``.

        Of the tapped layers ``reads``, what they read is kept too. ``instead`` says, by layer, what its calls are to
        give.
        """
        given = [(name, list(calls)) for name, calls in (instead or {}).items()]
        asked = {"dtype": dtype, "taps": list(taps), "reads": list(reads), "instead": given}
        reply = self._ask("run", inputs=self._place(probe), **asked)
        return lambda: self._outputs(reply.result())

    def walk(self, probe: Array, dtype: str, theirs: Calls, *, replace: bool) -> Callable[[], Walked]:
        """A forward pass held against ``theirs``: by layer, what its calls should give, laid out as on this side.

        With ``replace`` that goes on through the model, so that each layer reads what its counterpart did.
        """
        given = [(name, list(calls)) for name, calls in theirs.items()]
        reply = self._ask("walk", inputs=self._place(probe), dtype=dtype, theirs=given, replace=replace)
        return lambda: self._walked(reply.result())

    def replay(
        self,
        layer: str,
        reads: Sequence[Array],
        attributes: Mapping[str, object] | None = None,
        tensors: Mapping[str, Array] | None = None,
    ) -> tuple[Array, ...]:
        """What one layer gives in float64 when it reads ``reads``, with other attributes or tensors for this call.

        Everything as this side lays it out; tensors under the layer's own names. Raises ModelError where it cannot be.
        """
        placed = self._pool.put("replay", [("", array, array.dtype.name) for array in reads])
        held = [(name, array, array.dtype.name) for name, array in (tensors or {}).items()]
        asked = {"attributes": dict(attributes or {}), "tensors": self._pool.put("replay", held)}
        messages = [message for _, message in placed]
        gave = self._ask("replay", layer=layer, reads=messages, dtype="float64", **asked).result()
        return tuple(exchange.get(message) for _, message in gave)

    def gradients(self, probe: Array, cotangents: Sequence[Array]) -> Callable[[], Flown]:
        """Gradients in float64 of the outputs times ``cotangents``, which are channels first as outputs are."""
        native = [self.native(array, self.table.output_axes) for array in cotangents]
        placed = self._pool.put("cotangents", [("", array, array.dtype.name) for array in native])
        asked = {"dtype": "float64", "cotangents": [message for _, message in placed]}
        reply = self._ask("gradients", inputs=self._place(probe), **asked)

        def found() -> Flown:
            result = reply.result()
            by_name = {name: exchange.get(message) for name, message in result["tensors"]}
            at_input = self.channels_first(exchange.get(result["input"]), self.table.input_axes)
            return Flown(by_name, at_input, tuple(result["notes"]))

        return found

    def precision(self) -> dict[str, Any]:
        """``switches`` of the side's process that let float32 be computed in less, and those that do, ``reduced``."""
        return dict(self._worker.call("precision"))

    def trainable(self) -> list[str]:
        """The tensors of the state dict that an optimizer would move."""
        return list(self._ask("trainable").result())

    def attributes(self) -> dict[str, dict[str, Any]]:
        """By layer of a known class, what it does besides holding tensors, in one spelling for all frameworks."""
        return {name: dict(held) for name, held in self._ask("attributes").result().items()}

    def oddities(self, probe: Array) -> list[tuple[str, str, str]]:
        """What is odd about the model and shows in no state dict: its sort, the layer, a sentence."""
        return [(kind, layer, said) for kind, layer, said in self._ask("oddities", inputs=self._place(probe)).result()]

    def sensitivity(self, probe: Array, seed: int) -> Reply:
        """By tensor that has a gradient: the largest of it, and of the tensor's own absolute values."""
        return self._ask("sensitivity", inputs=self._place(probe), seed=seed)

    def nudged(self, probe: Array, tensors: Sequence[str], seed: int) -> dict[str, float]:
        """How far the outputs move when one of ``tensors`` does, each by the share that it is changed by."""
        found = self._ask("nudged", inputs=self._place(probe), tensors=list(tensors), seed=seed).result()
        return dict(found)

    def layers(self) -> dict[str, str]:
        """Name and class of every layer that can be tapped; none where the model has no layers."""
        return dict(self._ask("layers").result())

    def trace(self, probe: Array, taps: Sequence[str]) -> Callable[[], list[LayerCall]]:
        """The calls of these layers in a forward pass, in their order, for one image of the probe, channels first."""
        reply = self._ask("trace", inputs=self._place(probe), taps=list(taps))
        here = self.implementation.name
        axes = {layer.layer_name(here): layer.kind.output for layer in self.table.layers}
        return lambda: [
            LayerCall(name, self._one(read, axes[name]), self._one(gave, axes[name]))
            for name, read, gave in reply.result()
        ]

    def order(self, probe: Array, taps: Sequence[str]) -> list[str]:
        """These layers in the order in which their calls end, once a call."""
        calls = self._ask("trace", inputs=self._place(probe), taps=list(taps)).result()
        return [name for name, _, _ in calls]

    def calls(self, probe: Array, taps: Sequence[str]) -> list[LayerCall]:
        """Like ``trace``, in float64, of layers that no table speaks of: maps channels first, others as they are."""
        found = self._ask("trace", inputs=self._place(probe), taps=list(taps), dtype="float64").result()
        return [LayerCall(name, self.without_batch(read), self.without_batch(gave)) for name, read, gave in found]

    def without_batch(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of one of a batch: of a map channels first, of anything else as it is."""
        return self._one(shape, "channels" if len(shape) > 3 else "sequence")

    def _one(self, shape: Sequence[int], axes: str) -> tuple[int, ...]:
        """A shape without its batch, channels first."""
        order = np.argsort(self.axes_from_first(len(shape), axes))
        return tuple(shape[axis] for axis in order[1:])

    def export_onnx(self, path: Path, probe: Array, *, opset: int | None = None, external: bool = False) -> Reply:
        """Export with the framework's own exporter, whose name and version the reply has."""
        asked = {"opset": opset, "external": external}
        return self._ask("export_onnx", path=str(path.absolute()), inputs=self._place(probe), **asked)

    def native(self, array: Array, axes: str = "") -> Array:
        """An array in this implementation's layout; ``axes`` as a kind has them, by default those of the input."""
        order = self.axes_from_first(array.ndim, axes or self.table.input_axes)
        return np.ascontiguousarray(array.transpose(order))

    def channels_first(self, array: Array, axes: str = "") -> Array:
        """An array of this implementation, channels first; ``axes`` as a kind has them, by default the outputs'."""
        return array.transpose(np.argsort(self.axes_from_first(array.ndim, axes or self.table.output_axes)))

    def axes_from_first(self, ndim: int, axes: str) -> tuple[int, ...]:
        """How an array of so many dimensions, channels first, is turned into this implementation's layout.

        A sequence has its features last in every framework, so that no axis is turned.
        """
        last = self.implementation.framework.channels == "last" and axes == "channels" and ndim > 2
        return (0, *range(2, ndim), 1) if last else tuple(range(ndim))

    def scratch(self) -> AbstractContextManager[None]:
        """What is exchanged meanwhile goes at the end; arrays that are still mapped stay readable."""
        return self._pool.scratch()

    def _place(self, probe: Array) -> exchange.Message:
        for known, message in self._inputs:
            if known is probe and Path(message[0]).exists():  # else it went with a scratch
                return message
        native = self.native(probe)
        ((_, message),) = self._pool.put(f"input-{self._handle.replace('/', '-')}", [("", native, native.dtype.name)])
        self._inputs.append((probe, message))
        return message

    def _outputs(self, result: Mapping[str, Any]) -> Outputs:
        taps = (
            Tap(layer, tuple(place for _, place in read), tuple(place for _, place in gave))
            for layer, read, gave in result["taps"]
        )
        return Outputs(self._arrays(result["outputs"]), tuple(taps), result["seconds"], self.channels_first)

    def _walked(self, result: Mapping[str, Any]) -> Walked:
        steps = (
            Step(layer, turn, Distance(max_abs, scale, reason))
            for layer, turn, max_abs, scale, reason in result["calls"]
        )
        return Walked(self._arrays(result["outputs"]), tuple(steps), result["seconds"])

    def _arrays(self, placed: Sequence[tuple[str, exchange.Message]]) -> tuple[Array, ...]:
        return tuple(self.channels_first(exchange.get(message)) for _, message in placed)
