"""Exports of a ``keras.Model`` to ONNX, by Keras's own export: tf2onnx on TensorFlow, torch.onnx on torch."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import keras

from xframe.frameworks import fits_one_file
from xframe.frameworks.keras.model import in_dtype, state
from xframe.tensors import Array


def export_onnx(
    model: keras.Model,
    path: Path,
    inputs: Array,
    *,
    opset: int | None,
    external: bool,  # noqa: ARG001 - it writes one file only
) -> str:
    """``Framework.export_onnx``."""
    fits_one_file(state(model))
    dtype = "float32" if inputs.dtype.kind == "f" else inputs.dtype.name
    signature = [keras.InputSpec(shape=(None, *inputs.shape[1:]), dtype=dtype, name="input")]
    twin = in_dtype(model, "float32")
    twin.export(str(path), format="onnx", verbose=False, input_signature=signature, opset_version=opset)
    package = {"tensorflow": "tf2onnx"}.get(keras.backend.backend(), keras.backend.backend())
    return f"{package} {metadata.version(package)}"
