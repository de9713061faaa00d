"""Exports: a side's model written as ONNX by its framework's own exporter, checked and described."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xframe.errors import ModelError
from xframe.proving.onnx.graph import Facts, Graph
from xframe.proving.sides import Side
from xframe.tensors import Array
from xframe.workers import Pool

EXPORTERS = {"paddle": "paddle2onnx", "torch": "torch.onnx", "keras": "tf2onnx", "tf": "tf2onnx"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A graph, who wrote it, what the checker says against it ("" for nothing), and the seconds it took to write."""

    implementation: str
    exporter: str
    graph: Graph
    facts: Facts
    checker: str
    seconds: float

    def to_json(self) -> dict[str, Any]:
        said = {"exporter": self.exporter, "checker": self.checker, "export_seconds": round(self.seconds, 3)}
        return {**said, **self.facts.to_json()}


class ExportFailed(ModelError):
    """An exporter could not write a model. ``exporter`` and ``reason`` are its name and its own words."""

    def __init__(self, implementation: str, exporter: str, reason: str) -> None:
        super().__init__(
            f"{exporter} cannot export {implementation}: {reason} Try another --opset, or another implementation."
        )
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

    Raises ExportFailed with the exporter's own words.
    """
    name = side.implementation.name
    path = (folder or pool.folder) / f"{side.table.name}-{name.replace('/', '-')}.onnx"
    started = time.perf_counter()
    reply = side.export_onnx(path, probe, opset=opset, external=external)

    def ended() -> Export:
        try:
            exporter = str(reply.result())
        except ModelError as error:
            reason = str(error).partition("ValueError: ")[2] or str(error)
            raise ExportFailed(name, EXPORTERS[side.implementation.framework.name], f"{reason.rstrip('.')}.") from error
        graph = Graph(pool, path)
        graph.finish(external=external)
        seconds = time.perf_counter() - started
        facts, checker = graph.facts(), graph.check()
        return Export(
            implementation=name, exporter=exporter, graph=graph, facts=facts, checker=checker, seconds=seconds
        )

    return ended


def opened(pool: Pool, path: Path) -> Export:
    """A graph that somebody else wrote. Read and found sound before: see ``checkpoints.read``."""
    graph = Graph(pool, path)
    facts = graph.facts()
    return Export(
        implementation=path.name, exporter=facts.producer or "its exporter", graph=graph, facts=facts,
        checker=graph.check(), seconds=0.0,
    )  # fmt: skip


def runtime(versions: Mapping[str, str]) -> dict[str, Any]:
    """What onnxruntime was told, of all that may change numbers."""
    return {
        "onnxruntime": versions["onnxruntime"],
        "provider": "CPUExecutionProvider",
        "intra_op_threads": "a thread a core",
        "optimisation": ["all", "none"],
    }
