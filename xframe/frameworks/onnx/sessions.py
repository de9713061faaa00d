"""Graphs run by onnxruntime, with the options that change numbers said outright."""

from __future__ import annotations

from collections.abc import Sequence

import onnxruntime
from onnxruntime import GraphOptimizationLevel

from xframe.tensors import Array

LEVELS = {True: GraphOptimizationLevel.ORT_ENABLE_ALL, False: GraphOptimizationLevel.ORT_DISABLE_ALL}
PROVIDERS = ["CPUExecutionProvider"]
_ERRORS = 3  # of onnxruntime's log levels


def session(path: str, *, optimised: bool, threads: int = 0) -> onnxruntime.InferenceSession:
    """A graph ready to run, with every optimisation or with none; ``threads`` 0 takes a thread a core."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = LEVELS[optimised]
    options.intra_op_num_threads = threads
    options.log_severity_level = _ERRORS
    return onnxruntime.InferenceSession(path, options, providers=PROVIDERS)


def run(model: onnxruntime.InferenceSession, inputs: Sequence[Array]) -> list[Array]:
    """The outputs, in the graph's order. Inputs take the dtypes that the graph declares."""
    asked = model.get_inputs()
    if len(asked) != len(inputs):
        raise ValueError(f"the graph reads {len(asked)} inputs ({', '.join(part.name for part in asked)}), not one")
    given = {
        part.name: array.astype(_DTYPES.get(part.type, array.dtype)) for part, array in zip(asked, inputs, strict=True)
    }
    outputs: list[Array] = model.run(None, given)
    return outputs


_DTYPES = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16", "tensor(int64)": "int64",
    "tensor(int32)": "int32", "tensor(bool)": "bool",
}  # fmt: skip
