"""Exports: a side's model written as ONNX by its framework's own exporter, checked and described."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xframe import checkpoints
from xframe.checkpoints.budget import AMPLE, Budget
from xframe.errors import CheckpointError, ModelError, WorkerDied, printable
from xframe.proving.onnx.graph import Facts, Graph
from xframe.proving.sides import Side
from xframe.tensors import Array
from xframe.workers import Pool

EXPORTERS = {"paddle": "paddle2onnx", "torch": "torch.onnx", "keras": "tf2onnx", "tf": "tf2onnx"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A graph, who wrote it, what the checker says against it ("" for nothing), and the seconds it took to write.

    ``channels_last`` says how its maps lie; ``any_batch`` that it was asked to take any number of images.
    """

    implementation: str
    exporter: str
    graph: Graph
    facts: Facts
    checker: str
    channels_last: bool
    seconds: float
    any_batch: bool = True

    @property
    def batch(self) -> int | None:
        """How many images the graph takes; None for any number."""
        first = next(iter(self.facts.inputs[0][1]), "") if self.facts.inputs else ""
        return first if isinstance(first, int) else None

    def misfit(self, shape: Sequence[int]) -> str:
        """What the graph reads, where that is not one input of this shape, whatever its batch; else ""."""
        told = ", ".join(f"{name} {dtype} {[*lengths]}" for name, lengths, dtype in self.facts.inputs)
        if len(self.facts.inputs) != 1:
            return f"{len(self.facts.inputs)} inputs ({told})"
        asked = self.facts.inputs[0][1]
        if not asked:  # a graph need not say
            return ""
        pairs = zip(asked[1:], shape[1:], strict=False)
        fits = len(asked) == len(shape) and all(one == other for one, other in pairs if isinstance(one, int))
        return "" if fits else told

    def given(self, probe: Array, axes: str = "channels") -> Array:
        """A probe, channels first, as the graph reads it; ``axes`` as a kind has them."""
        turned = np.moveaxis(probe, 1, -1) if self._turns(probe, axes) else probe
        return np.ascontiguousarray(turned)

    def channels_first(self, outputs: Sequence[Array], axes: str = "channels") -> tuple[Array, ...]:
        """What the graph gave, channels first."""
        return tuple(np.moveaxis(part, -1, 1) if self._turns(part, axes) else part for part in outputs)

    def _turns(self, array: Array, axes: str) -> bool:
        return self.channels_last and axes == "channels" and array.ndim > 2

    def to_json(self) -> dict[str, Any]:
        said = {"exporter": self.exporter, "checker": self.checker, "export_seconds": round(self.seconds, 3)}
        return {**said, **self.facts.to_json()}


class ExportFailed(ModelError):
    """An exporter could not write a model. ``exporter`` and ``reason`` are its name and its own words."""

    def __init__(self, implementation: str, exporter: str, reason: str) -> None:
        attempt = "this implementation alone" if "memory" in reason else "another --opset, or another implementation"
        super().__init__(f"{exporter} cannot export {implementation}: {reason} Try {attempt}.")
        self.exporter, self.reason = exporter, reason


def start_export(
    pool: Pool,
    side: Side,
    probe: Array,
    *,
    folder: Path | None = None,
    opset: int | None = None,
    external: bool = False,
) -> Callable[[], Export]:
    """Have a side's model written into ``folder``, by default the session's; what is returned waits for it.

    Raises ExportFailed with the exporter's own words; one that is killed ends its framework's process.
    """
    name = side.implementation.name
    path = (folder or pool.folder) / f"{side.table.name}-{name.replace('/', '-')}.onnx"
    started = time.perf_counter()
    reply = side.export_onnx(path, probe, opset=opset, external=external)

    def ended() -> Export:
        try:
            exporter = str(reply.result())
        except (ModelError, WorkerDied) as error:
            raise ExportFailed(name, EXPORTERS[side.implementation.framework.name], _reason(error)) from error
        graph = Graph(pool, path)
        graph.finish(external=external)
        seconds = time.perf_counter() - started
        facts, checker = graph.facts(), graph.check()
        last = side.implementation.framework.channels == "last"
        return Export(
            implementation=name, exporter=exporter, graph=graph, facts=facts, checker=checker, channels_last=last,
            seconds=seconds,
        )  # fmt: skip

    return ended


def _reason(error: ModelError | WorkerDied) -> str:
    """An exporter's own words, or how it took its process with it."""
    words = str(error)
    if isinstance(error, WorkerDied):
        return f"its process was {words.partition(': ')[2].partition('. Its last words')[0].rstrip('.')}."
    return f"{(words.partition('ValueError: ')[2] or words).rstrip('.')}."


def opened(pool: Pool, path: Path, channels: int | None, budget: Budget = AMPLE) -> Export:
    """A graph that somebody else wrote, for maps of so many channels. Raises CheckpointError for what is no sound one.

    Nothing of it is run before its structure, its sizes and the places of its weights were found sound.
    """
    checkpoints.read(path, budget)
    graph = Graph(pool, path)
    try:
        facts = graph.facts()
    except ModelError as error:
        raise CheckpointError(f"{path}: expected an ONNX graph, but onnx does not read it: {error}") from error
    shape = facts.inputs[0][1] if facts.inputs else ()
    last = len(shape) > 2 and channels is not None and shape[-1] == channels and shape[1] != channels
    return Export(
        implementation=path.name,
        exporter=f"the graph, by {printable(facts.producer)}" if facts.producer else "the graph",
        graph=graph, facts=facts,
        checker=graph.check(), channels_last=last, seconds=0.0, any_batch=False,
    )  # fmt: skip


def runtime(versions: Mapping[str, str]) -> dict[str, Any]:
    """What onnxruntime was told, of all that may change numbers."""
    return {
        "onnxruntime": versions["onnxruntime"],
        "provider": "CPUExecutionProvider",
        "intra_op_threads": len(os.sched_getaffinity(0)),  # its default: a thread a core
        "optimisation": ["all", "none"],
    }
