"""The worker's side of the conversation: one request, one reply, until the channel closes."""

from __future__ import annotations

import faulthandler
import importlib
import os
import sys
import time
import traceback
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from xframe import exchange
from xframe.frameworks import Framework, NotInEvaluation
from xframe.tensors import STORAGE, Array

Reply = tuple[str, Any]
_WORDS = 2000  # characters of an error's message that travel
_TRACE = 20000  # of its traceback, from the end


def serve(channel: Any, framework: str, folder: str, paths: list[str]) -> None:
    """Import ``framework``, say so, then answer requests ``(command, arguments)`` with ``(status, result)``.

    The user's own folders, ``paths``, are looked into only from then on: a ``torch.py`` in one is not the framework.
    """
    started = time.perf_counter()
    try:
        adapter = importlib.import_module(f"xframe.frameworks.{framework}").framework
    except Exception as error:  # a broken installation fails in its own way: a lacking library, another numpy
        channel.send(("missing", f"{_words(error)} (interpreter {sys.executable})"))
        return
    faulthandler.disable()
    faulthandler.enable(2, all_threads=False)  # again: a framework may have put its own handlers in place
    place = _before_packages()
    sys.path[place:place] = paths
    service = Service(adapter, framework, Path(folder))
    seconds = time.perf_counter() - started
    channel.send(
        ("ok", {"versions": _versions(adapter), "python": sys.executable, "pid": os.getpid(), "seconds": seconds})
    )
    for command, arguments in channel:
        reply(channel, _answer(service, command, arguments))


def _before_packages() -> int:
    """Where a user's folder stands in ``sys.path``: behind the standard library, before what was installed."""
    installed = (index for index, entry in enumerate(sys.path) if entry.endswith(("site-packages", "dist-packages")))
    return next(installed, len(sys.path))


def _answer(service: Service, command: str, arguments: Mapping[str, Any]) -> Reply:
    try:
        return "ok", getattr(service, command)(**arguments)
    except NotInEvaluation as error:
        return "training", _words(error)
    except SystemExit:
        raise
    except BaseException as error:  # whatever the user's model raises is reported, not survived
        return _failure(error)


def reply(channel: Any, answer: Reply) -> None:
    """Send ``answer``; one that execnet cannot write, a name that is no UTF-8 for one, becomes an error of its own."""
    try:
        channel.send(answer)
    except Exception as error:  # execnet's own exceptions have no name in here
        channel.send(_failure(error))


def _failure(error: BaseException) -> Reply:
    trace = "".join(traceback.format_exception(error))
    return "error", (_words(error), _sendable(trace)[-_TRACE:])


def _words(error: BaseException) -> str:
    """``Type: message``, whatever the message is made of and however long it is."""
    try:
        text = _sendable(f"{type(error).__name__}: {error}")
    except Exception as failed:  # a message that cannot be made must not cost the reply
        text = f"{type(error).__name__} (whose own message raises {type(failed).__name__})"
    return text if len(text) <= _WORDS else f"{text[:_WORDS]}… ({len(text)} characters)"


def _sendable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _versions(adapter: Framework) -> dict[str, str]:
    versions = {"python": sys.version.split()[0], "numpy": np.__version__, **adapter.versions}
    return {name: str(version) for name, version in versions.items()}  # torch's is a class of its own


def _unit(random: np.random.Generator, _index: int, shape: tuple[int, ...]) -> Array:
    """Random directions of unit length, one for each image."""
    drawn: Array = random.standard_normal(shape)
    lengths = np.linalg.norm(drawn.reshape(shape[0], -1), axis=1).reshape(-1, *(1 for _ in shape[1:]))
    drawn /= lengths
    return drawn


def _largest(array: Array) -> float:
    return float(np.abs(array).max(initial=0.0))


class Service:
    """The commands. Models are kept under the handles that the parent chooses; arrays go through ``folder``."""

    def __init__(self, adapter: Framework, name: str, folder: Path) -> None:
        self._adapter = adapter
        self._name = name
        self._folder = folder
        self._models: dict[str, Any] = {}

    def build(
        self, handle: str, factory: str, options: Mapping[str, Any], dtype: str
    ) -> list[tuple[str, tuple[int, ...], str]]:
        """Build a model; return name, shape and dtype of every tensor of its state dict."""
        model = self._models[handle] = self._adapter.build(factory, options, dtype)
        return [(name, array.shape, kind) for name, (array, kind) in self._adapter.state(model).items()]

    def open(self, handle: str, path: str) -> None:
        """Open a model that is a file of its own and has no state dict."""
        self._models[handle] = self._adapter.build(path, {}, "float32")

    def load(self, handle: str, tensors: list[tuple[str, exchange.Message]]) -> None:
        self._adapter.load(
            self._models[handle], {name: (exchange.get(message), message[3]) for name, message in tensors}
        )

    def load_file(self, handle: str, path: str) -> None:
        self._adapter.load_file(self._models[handle], Path(path))

    def save_file(self, handle: str, path: str) -> None:
        self._adapter.save_file(self._models[handle], Path(path))

    def state(self, handle: str) -> list[tuple[str, exchange.Message]]:
        state = self._adapter.state(self._models[handle])
        arrays = ((name, array.view(STORAGE[dtype]), dtype) for name, (array, dtype) in state.items())
        return exchange.put(self._folder, self._name, arrays)

    def run(self, handle: str, inputs: exchange.Message, dtype: str, taps: list[str]) -> dict[str, Any]:
        """Outputs and taps of one forward pass, with the seconds it took; taps are written as they come."""
        model, array = self._models[handle], exchange.get(inputs)
        with exchange.Stream(self._folder, self._name) as stream:

            def tell(layer: str, gave: Array) -> None:
                stream.add(layer, gave, gave.dtype.name)

            started = time.perf_counter()
            outputs = self._adapter.run(model, array, dtype, taps, tell)
            seconds = time.perf_counter() - started
            seen = len(stream.placed)
            for output in outputs:
                stream.add("", output, output.dtype.name)
        return {"outputs": stream.placed[seen:], "taps": stream.placed[:seen], "seconds": seconds}

    def sensitivity(self, handle: str, inputs: exchange.Message, seed: int) -> dict[str, tuple[float, float]]:
        """By tensor: the largest gradient that reaches it, in float32, and the largest absolute value that it holds.

        Outputs are weighted with random cotangents of unit length.
        """
        random = np.random.default_rng(seed)
        model, array = self._models[handle], exchange.get(inputs)
        gradients, _ = self._adapter.gradients(model, array, "float32", partial(_unit, random))
        state = self._adapter.state(model)
        return {name: (_largest(found), _largest(state[name][0])) for name, found in gradients.items()}

    def layers(self, handle: str) -> dict[str, str]:
        """Name and class of every layer that can be tapped."""
        return self._adapter.layers(self._models[handle])

    def trace(
        self, handle: str, inputs: exchange.Message, taps: list[str]
    ) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
        """Layer, shape read and shape given of every call of the tapped layers."""
        calls = self._adapter.trace(self._models[handle], exchange.get(inputs), taps)
        return [(call.layer, call.read, call.gave) for call in calls]

    def export_onnx(self, handle: str, path: str, inputs: exchange.Message) -> None:
        self._adapter.export_onnx(self._models[handle], Path(path), exchange.get(inputs))

    def release(self, handle: str) -> None:
        """Forget a model."""
        self._models.pop(handle, None)
