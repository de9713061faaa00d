"""Exports of a ``paddle.nn.Layer`` to ONNX, by paddle2onnx."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import paddle

from xframe.frameworks import fits_one_file
from xframe.frameworks.paddle.model import cast, state
from xframe.tensors import Array

_OPSET = 17  # its own default, 9, is older than what the other exporters write


def export_onnx(
    model: paddle.nn.Layer,
    path: Path,
    inputs: Array,
    *,
    opset: int | None,
    external: bool,  # noqa: ARG001 - it writes one file only
) -> str:
    """``Framework.export_onnx``."""
    fits_one_file(state(model))
    return exported(cast(model, "float32"), path, inputs, opset=opset)


def exported(model: paddle.nn.Layer, path: Path, inputs: Array, *, opset: int | None) -> str:
    """A layer that is float32 already; the exporter and its version."""
    dtype = "float32" if inputs.dtype.kind == "f" else inputs.dtype.name
    spec = paddle.static.InputSpec([None, *inputs.shape[1:]], dtype, "input")
    model.eval()
    paddle.onnx.export(model, str(path.with_suffix("")), input_spec=[spec], opset_version=opset or _OPSET)
    return f"paddle2onnx {metadata.version('paddle2onnx')}"
