"""An .onnx file in the onnx worker: checked, described, run by onnxruntime, computed in float64, followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xframe import exchange
from xframe.errors import printable
from xframe.tensors import Array
from xframe.workers import Pool, Reply

Inputs = Array | Sequence[Array]  # in the order in which the graph has them
Value = tuple[str, tuple[int | str, ...], str]  # name, shape, element type


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a graph says of itself. ``operators`` counts its nodes by operator; open dimensions have names."""

    opset: int
    ir_version: int
    producer: str
    operators: Mapping[str, int]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    nbytes: int

    @property
    def layout(self) -> str:
        """``NCHW``, ``NHWC``, or "" for an input that is no map."""
        shape = self.inputs[0][1] if self.inputs else ()
        if len(shape) != 4:
            return ""
        return "NHWC" if _channels(shape[3]) and not _channels(shape[1]) else "NCHW"

    def to_json(self) -> dict[str, Any]:
        values = {
            "inputs": [[name, list(shape), dtype] for name, shape, dtype in self.inputs],
            "outputs": [[name, list(shape), dtype] for name, shape, dtype in self.outputs],
        }
        numbers = {"opset": self.opset, "ir_version": self.ir_version, "bytes": self.nbytes}
        return {
            **numbers,
            "producer": self.producer,
            "operators": dict(self.operators),
            "layout": self.layout,
            **values,
        }


def _channels(length: int | str) -> bool:
    """Whether a dimension may be that of an image's channels."""
    return isinstance(length, int) and length <= 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Where a graph leaves the model it was made from: at a node, behind the layer ``behind``, for want of ``layer``.

    ``cause`` and ``detail`` say what change of the node gave the layer's value, "" where none did.
    """

    operator: str
    node: str
    layer: str
    behind: str
    cause: str = ""
    detail: str = ""


class Graph:
    """One file. Requests return at once; what is returned waits when it is called."""

    def __init__(self, pool: Pool, path: Path) -> None:
        self.path = path
        self._pool = pool
        self._worker = pool["onnx"]

    def _ask(self, command: str, **arguments: object) -> Reply:
        return self._worker.ask(command, path=str(self.path.absolute()), **arguments)

    def finish(self, *, external: bool) -> None:
        """Give inputs and outputs plain names; with ``external`` put the tensors beside the graph."""
        self._ask("finish_graph", external=external).result()

    def check(self) -> str:
        """What onnx.checker and strict shape inference say against it; "" for nothing."""
        return printable(str(self._ask("check_graph").result()))

    def facts(self) -> Facts:
        said = self._ask("describe_graph").result()
        inputs, outputs = (
            tuple((name, tuple(shape), dtype) for name, shape, dtype in said[key]) for key in ("inputs", "outputs")
        )
        beside = self.path.with_name(f"{self.path.name}.data")
        nbytes = sum(file.stat().st_size for file in (self.path, beside) if file.exists())
        named = {key: said[key] for key in ("opset", "ir_version", "producer", "operators")}
        return Facts(**named, inputs=inputs, outputs=outputs, nbytes=nbytes)

    def run(self, inputs: Inputs, *, optimised: bool) -> list[Array]:
        """Outputs by onnxruntime, with every optimisation or with none."""
        return self._arrays(self._ask("run_graph", inputs=self._put(inputs), optimised=optimised))

    def compute(self, inputs: Inputs, instead: Mapping[str, Array]) -> list[Array]:
        """Outputs in float64; ``instead`` are values for initialisers. Raises ModelError where that cannot be."""
        return self._arrays(self._ask("compute_graph", inputs=self._put(inputs), instead=self._named(instead)))

    def values(self, inputs: Inputs) -> list[tuple[str, exchange.Message]]:
        """Every value of the graph in float64, where it lies, by operator and name."""
        return [(name, place) for name, place in self._ask("graph_values", inputs=self._put(inputs)).result()]

    def follow(
        self,
        inputs: Inputs,
        instead: Mapping[str, Array],
        calls: Sequence[tuple[str, exchange.Message]],
        attributes: Mapping[str, Mapping[str, Any]],
        tensors: Mapping[str, Array],
    ) -> Left | None:
        """Where the graph leaves a model whose layers gave ``calls``.

        ``attributes`` are the layers' own, ``tensors`` what some initialisers should hold.
        """
        found = self._ask(
            "follow_graph", inputs=self._put(inputs), instead=self._named(instead), calls=list(calls),
            attributes={name: dict(held) for name, held in attributes.items()}, tensors=self._named(tensors),
        ).result()  # fmt: skip
        return None if found is None else _left(found)

    def forget(self) -> None:
        self._ask("forget_graph").result()

    def _put(self, inputs: Inputs) -> list[exchange.Message]:
        arrays = [inputs] if isinstance(inputs, np.ndarray) else inputs
        return [place for _, place in self._pool.put("onnx-input", [("", part, part.dtype.name) for part in arrays])]

    def _named(self, arrays: Mapping[str, Array]) -> list[tuple[str, exchange.Message]]:
        return self._pool.put("onnx-tensors", [(name, array, array.dtype.name) for name, array in arrays.items()])

    @staticmethod
    def _arrays(reply: Reply) -> list[Array]:
        return [exchange.get(place) for _, place in reply.result()]


def _left(said: Mapping[str, Any]) -> Left:
    cause, detail, layer = said["found"] or ("", "", said["layer"])
    words = (said["operator"], said["name"], layer, said["behind"], cause, detail)
    operator, node, layer, behind, cause, detail = (printable(word).replace("\n", " ") for word in words)
    return Left(operator=operator, node=node, layer=layer, behind=behind, cause=cause, detail=detail)
