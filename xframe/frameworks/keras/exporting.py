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
    twin = _sized(in_dtype(model, "float32"), inputs.shape[1:], dtype)
    twin.export(str(path), format="onnx", verbose=False, input_signature=signature, opset_version=opset)
    package = {"tensorflow": "tf2onnx"}.get(keras.backend.backend(), keras.backend.backend())
    return f"{package} {metadata.version(package)}"


def _sized(model: keras.Model, shape: tuple[int, ...], dtype: str) -> keras.Model:
    """The same layers behind an input of known size: adaptive pools cannot be exported for any other (Keras 3.15)."""
    given = getattr(model, "inputs", None) or []  # a model of a class of its own has none
    if len(given) != 1 or None not in given[0].shape[1:]:
        return model
    image = keras.Input(shape, dtype=dtype, name="input")
    return keras.models.clone_model(model, input_tensors=image, clone_function=lambda layer: layer)
