"""The commands that a worker answers. Arguments and results are what execnet can write; arrays go through files."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from xframe import exchange
from xframe.frameworks import Changes, Framework
from xframe.frameworks.factories import is_saved
from xframe.frameworks.graph_service import GraphCommands
from xframe.frameworks.homes import home_of, homes
from xframe.frameworks.training_service import TrainingCommands
from xframe.frameworks.walk import Walk
from xframe.tensors import STORAGE, Array

Named = list[tuple[str, exchange.Message]]
Shape = tuple[int, ...]
_BOLD = "\x1b[1m"  # how Keras marks the sentence that matters in a long message
_SHARE = 2.0**-10  # float32 weights hold such a change to four digits, and float64 outputs show it


class Service(TrainingCommands, GraphCommands):
    """The commands. Models are kept under the handles that the parent chooses; arrays go through ``folder``."""

    def __init__(self, adapter: Framework, name: str, folder: Path) -> None:
        super().__init__()
        self._adapter = adapter
        self._name = name
        self._folder = folder
        self._models: dict[str, Any] = {}
        self._homes: dict[str, str] = {}

    def at_home(self, arguments: Mapping[str, Any]) -> None:
        """Before each command: imports look where the model of its handle comes from."""
        handle = str(arguments.get("handle", ""))
        if "factory" in arguments:
            self._homes[handle] = home_of(str(arguments["factory"]))
            self._frozen.discard(handle)
            if is_saved(str(arguments["factory"])) and self._name != "keras":  # whose files hold layers, no graph
                self._frozen.add(handle)
        homes.enter(self._homes.get(handle, ""))

    def build(self, handle: str, factory: str, options: Mapping[str, Any], dtype: str) -> list[tuple[str, Shape, str]]:
        """Build a model; return name, shape and dtype of every tensor of its state dict."""
        model = self._models[handle] = self._adapter.build(factory, options, dtype)
        return [(name, array.shape, kind) for name, (array, kind) in self._adapter.state(model).items()]

    def load(self, handle: str, tensors: Named) -> None:
        self._adapter.load(
            self._models[handle], {name: (exchange.get(message), message[3]) for name, message in tensors}
        )

    def load_file(self, handle: str, path: str) -> None:
        self._adapter.load_file(self._models[handle], Path(path))

    def save_file(self, handle: str, path: str) -> None:
        self._adapter.save_file(self._models[handle], Path(path))

    def state(self, handle: str) -> Named:
        state = self._adapter.state(self._models[handle])
        arrays = ((name, array.view(STORAGE[dtype]), dtype) for name, (array, dtype) in state.items())
        return exchange.put(self._folder, self._name, arrays)

    def run(
        self,
        handle: str,
        inputs: exchange.Message,
        dtype: str,
        taps: list[str],
        instead: list[tuple[str, list[exchange.Message]]] | None = None,
        *,
        reads: list[str] | None = None,
    ) -> dict[str, Any]:
        """Outputs and taps of one forward pass, with the seconds it took; taps are written as they come.

        ``reads`` are layers of which that is kept too. ``instead`` says, by layer and call, what is to be given.
        """
        walk = Walk(instead or [], replace=True)
        with exchange.Stream(self._folder, self._name) as stream:
            kept: list[tuple[str, Named, Named]] = []

            def visit(layer: str, read: Callable[[], list[Array]], gave: list[Array]) -> list[Array] | None:
                if layer in taps:
                    kept.append((layer, stream.all(read()) if layer in (reads or ()) else [], stream.all(gave)))
                return walk(layer, read, gave)

            watched = list({*taps, *walk.layers})
            outputs, seconds = self._timed(handle, inputs, dtype, watched, visit)
            return {"outputs": stream.all(outputs), "taps": kept, "seconds": seconds}

    def walk(
        self,
        handle: str,
        inputs: exchange.Message,
        dtype: str,
        theirs: list[tuple[str, list[exchange.Message]]],
        *,
        replace: bool,
    ) -> dict[str, Any]:
        """Outputs of a forward pass, and how far each call of a layer is from what the other side's gave.

        ``theirs`` is that, by layer and call, in this side's layout. With ``replace`` it goes on through the model, so
        that every layer is fed what the other side's was.
        """
        walk = Walk(theirs, replace=replace)
        outputs, seconds = self._timed(handle, inputs, dtype, walk.layers, walk)
        placed = exchange.put(self._folder, self._name, (("", output, output.dtype.name) for output in outputs))
        return {"outputs": placed, "calls": walk.calls, "seconds": seconds}

    def _timed(
        self, handle: str, inputs: exchange.Message, dtype: str, taps: Sequence[str], visit: Any
    ) -> tuple[list[Array], float]:
        started = time.perf_counter()
        outputs = self._adapter.run(self._models[handle], exchange.get(inputs), dtype, taps, visit)
        return outputs, time.perf_counter() - started

    def replay(
        self,
        handle: str,
        layer: str,
        reads: list[exchange.Message],
        dtype: str,
        *,
        attributes: dict[str, Any],
        tensors: Named,
    ) -> Named:
        """What one layer gives when it reads ``reads``, with other attributes and tensors for this call."""
        state = {name: (exchange.get(message), message[3]) for name, message in tensors}
        changes = Changes(attributes=attributes, tensors=state)
        gave = self._adapter.replay(self._models[handle], layer, [*map(exchange.get, reads)], dtype, changes)
        return exchange.put(self._folder, self._name, (("", part, part.dtype.name) for part in gave))

    def gradients(
        self, handle: str, inputs: exchange.Message, dtype: str, cotangents: list[exchange.Message]
    ) -> dict[str, Any]:
        """Gradients by tensor and by input, of the outputs times ``cotangents``."""

        def given(index: int, shape: Shape) -> Array:
            return exchange.get(cotangents[index]).reshape(shape)

        found = self._adapter.gradients(self._models[handle], exchange.get(inputs), dtype, given)
        arrays = ((name, array, array.dtype.name) for name, array in {**found.tensors, "": found.at_input}.items())
        placed = exchange.put(self._folder, self._name, arrays)
        return {"tensors": placed[:-1], "input": placed[-1][1], "notes": list(found.notes)}

    def trainable(self, handle: str) -> list[str]:
        """The tensors that an optimizer would move."""
        return self._adapter.trainable(self._models[handle])

    def sensitivity(self, handle: str, inputs: exchange.Message, seed: int) -> dict[str, tuple[float, float]]:
        """By tensor: the largest gradient that reaches it, in float32, and the largest absolute value that it holds.

        Outputs are weighted with random cotangents of unit length.
        """
        random = np.random.default_rng(seed)
        model, array = self._models[handle], exchange.get(inputs)
        found = self._adapter.gradients(model, array, "float32", partial(_unit, random))
        state = self._adapter.state(model)
        return {name: (_largest(part), _largest(state[name][0])) for name, part in found.tensors.items()}

    def nudged(self, handle: str, inputs: exchange.Message, tensors: list[str], seed: int) -> dict[str, float]:
        """How far the outputs move when a tensor does that no gradient reaches: a buffer, a statistic by itself.

        Each value is changed by a small share of itself, up or down, or of the largest one where it is 0. In float64.
        A model that then gives no finite outputs has seen it.
        """
        model, array, random = self._models[handle], exchange.get(inputs), np.random.default_rng(seed)

        def run() -> list[Array]:
            return self._adapter.run(model, array, "float64", [], lambda *_: None)

        before, moved = run(), dict.fromkeys(tensors, 0.0)  # some models are float64 themselves from here on
        state = {name: (held.copy(), dtype) for name, (held, dtype) in self._adapter.state(model).items()}
        for name in tensors:
            held, dtype = state[name]
            if held.dtype.kind == "f":  # what numpy cannot compute with, or what counts something, stays unproven
                self._adapter.load(model, {**state, name: (_nudged(held, random), dtype)})
                moved[name] = max(map(_apart, run(), before), default=0.0) / _SHARE
        self._adapter.load(model, state)
        return moved

    def layers(self, handle: str) -> dict[str, str]:
        """Name and class of every layer that can be tapped."""
        return self._adapter.layers(self._models[handle])

    def attributes(self, handle: str) -> dict[str, dict[str, Any]]:
        """By layer of a known class, its attributes in xframe's spelling."""
        return self._adapter.attributes(self._models[handle])

    def oddities(self, handle: str, inputs: exchange.Message) -> list[tuple[str, str, str]]:
        """What is odd about a model and shows in no state dict: its sort, the layer, a sentence."""
        return self._adapter.oddities(self._models[handle], exchange.get(inputs))

    def trace(
        self, handle: str, inputs: exchange.Message, taps: list[str], *, dtype: str = "float32"
    ) -> list[tuple[str, Shape, Shape]]:
        """Layer, shape read and shape given of every call of the tapped layers."""
        calls: list[tuple[str, Shape, Shape]] = []

        def visit(layer: str, read: Callable[[], list[Array]], gave: list[Array]) -> None:
            first, last = read(), gave
            calls.append((layer, first[0].shape if first else (), last[0].shape if last else ()))

        self._adapter.run(self._models[handle], exchange.get(inputs), dtype, taps, visit)
        return calls

    def precision(self) -> dict[str, Any]:
        """Switches that let float32 be computed in less, as they stand now, and those that do."""
        found = self._adapter.precision()
        return {"switches": found.switches, "reduced": [*found.reduced, *_reducing(found.switches)]}

    def export_onnx(
        self, handle: str, path: str, inputs: exchange.Message, *, opset: int | None, external: bool
    ) -> str:
        """Export with the framework's own exporter; its name and version. What it prints goes to the log."""
        model, example = self._models[handle], exchange.get(inputs)
        try:
            with warnings.catch_warnings(action="ignore"):
                return self._adapter.export_onnx(model, Path(path), example, opset=opset, external=external)
        except Exception as error:
            raise ValueError(_root(error)) from error

    def release(self, handle: str) -> None:
        """Forget a model."""
        self.end_training(handle)
        self._models.pop(handle, None)
        self._homes.pop(handle, None)


def _unit(random: np.random.Generator, _index: int, shape: Shape) -> Array:
    """Random directions of unit length, one for each image."""
    drawn: Array = random.standard_normal(shape)
    lengths = np.linalg.norm(drawn.reshape(shape[0], -1), axis=1).reshape(-1, *(1 for _ in shape[1:]))
    drawn /= lengths
    return drawn


def _nudged(held: Array, random: np.random.Generator) -> Array:
    sizes = np.where(held == 0, _largest(held) or 1.0, np.abs(held))
    changed: Array = held + _SHARE * sizes * random.choice([-1.0, 1.0], held.shape)
    return changed.astype(held.dtype)


def _apart(one: Array, other: Array) -> float:
    if one.shape != other.shape or not np.isfinite(one).all():
        return math.inf
    return _largest(one - other)


def _reducing(switches: Mapping[str, str]) -> list[str]:
    """Variables of the environment that ask for less."""
    asked = {"NVIDIA_TF32_OVERRIDE": ("1",), "ONEDNN_DEFAULT_FPMATH_MODE": ("BF16", "F16", "TF32", "ANY")}
    return [name for name, values in asked.items() if switches.get(name, "").upper() in values]


def _root(error: BaseException) -> str:
    """The first words of what an error comes from in the end: exporters wrap their own several times."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["it says nothing more"]
    bold = (line[len(_BOLD) :].partition("\x1b")[0] for line in lines if line.startswith(_BOLD))
    return f"{type(error).__name__}: {next(bold, lines[0])}"


def _largest(array: Array) -> float:
    return float(np.abs(array).max(initial=0.0))
