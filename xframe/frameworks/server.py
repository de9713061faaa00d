"""The worker's side of the conversation: one request, one reply, until the channel closes."""

from __future__ import annotations

import importlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from xframe import exchange
from xframe.frameworks import Framework, NotInEvaluation
from xframe.tensors import STORAGE

Reply = tuple[str, Any]


def serve(channel: Any, framework: str, folder: str) -> None:
    """Import ``framework``, say so, then answer requests ``(command, arguments)`` with ``(status, result)``."""
    started = time.perf_counter()
    try:
        adapter = importlib.import_module(f"xframe.frameworks.{framework}").framework
    except ImportError as error:
        channel.send(("missing", f"{error} (interpreter {sys.executable})"))
        return
    service = Service(adapter, framework, Path(folder))
    seconds = time.perf_counter() - started
    channel.send(
        ("ok", {"versions": _versions(adapter), "python": sys.executable, "pid": os.getpid(), "seconds": seconds})
    )
    for command, arguments in channel:
        channel.send(_answer(getattr(service, command), arguments))


def _answer(method: Callable[..., Any], arguments: Mapping[str, Any]) -> Reply:
    try:
        return "ok", method(**arguments)
    except NotInEvaluation as error:
        return "training", str(error)
    except Exception as error:
        return "error", (f"{type(error).__name__}: {error}", traceback.format_exc())


def _versions(adapter: Framework) -> dict[str, str]:
    versions = {"python": sys.version.split()[0], "numpy": np.__version__, **adapter.versions}
    return {name: str(version) for name, version in versions.items()}  # torch's is a class of its own


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
        """Outputs and taps of one forward pass, with the seconds it took."""
        started = time.perf_counter()
        run = self._adapter.run(self._models[handle], exchange.get(inputs), dtype, taps)
        seconds = time.perf_counter() - started
        arrays = [("", array, array.dtype.name) for array in run.outputs]
        tapped = [(name, array, array.dtype.name) for name, array in run.taps]
        placed = exchange.put(self._folder, self._name, [*arrays, *tapped])
        return {"outputs": placed[: len(arrays)], "taps": placed[len(arrays) :], "seconds": seconds}

    def export_onnx(self, handle: str, path: str, inputs: exchange.Message) -> None:
        self._adapter.export_onnx(self._models[handle], Path(path), exchange.get(inputs))

    def release(self, handle: str) -> None:
        """Forget a model."""
        self._models.pop(handle, None)
