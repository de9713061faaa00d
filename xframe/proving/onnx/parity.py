"""ONNX exports held to the models they came from, in onnxruntime, in a worker of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from xframe import exchange
from xframe.comparison import Tolerance, compare_all
from xframe.proving.onnx.weights import weights_in
from xframe.proving.sides import Side
from xframe.proving.verdict import Parity
from xframe.tensors import Array
from xframe.workers import Pool

# onnxruntime fuses and reorders, so its float32 rounding is its own: of the size of the model's, but not the same. Ten
# times that and 16 units in the last place of the largest output leave room; a wrong operator is far outside.
NOISE_FACTOR = 10.0
ULPS = 16


def export_parity(pool: Pool, side: Side, probe: Array, float64: Sequence[Array], noise: float) -> Parity:
    """Export ``side`` with its framework's exporter, run the graph on the same probe, compare with its float64 outputs.

    Raises ModelError with the exporter's own words when it fails.
    """
    started = time.perf_counter()
    path = pool.folder / f"{side.implementation.name.replace('/', '-')}.onnx"
    side.export_onnx(path, probe).result()
    runtime = pool["onnx"]
    runtime.call("open", handle=path.name, path=str(path))
    native = side.native(probe)
    ((_, place),) = pool.put("onnx-input", [("", native, native.dtype.name)])
    result = runtime.call("run", handle=path.name, inputs=place, dtype="float32", taps=[])
    outputs = [side.channels_first(exchange.get(message)) for _, message in result["outputs"]]
    bound = _bound(float64, noise)
    return Parity(
        implementation=side.implementation.name,
        comparison=compare_all(float64, outputs, Tolerance(atol=bound, rtol=0.0)),
        noise=noise,
        bound=bound,
        bytes=path.stat().st_size,
        weights=weights_in(path, side),
        seconds=time.perf_counter() - started,
    )


def _bound(outputs: Sequence[Array], noise: float) -> float:
    largest = max((float(np.abs(output).max(initial=0.0)) for output in outputs), default=0.0)
    return NOISE_FACTOR * noise + ULPS * float(np.finfo(np.float32).eps) * largest
