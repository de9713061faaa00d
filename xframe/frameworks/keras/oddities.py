"""Layers of a ``keras.Model`` whose attributes say other lengths than their variables have.

Keras tracks layers in plain lists, tuples and dicts, so none of them is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras

from xframe.frameworks.keras.described import layers_by_name
from xframe.frameworks.oddities import Lengths, Oddity, declared
from xframe.tensors import Array

LENGTHS: dict[str, Lengths] = {
    "Dense": {"units": ("kernel", -1)},
    "Embedding": {"input_dim": ("embeddings", 0), "output_dim": ("embeddings", 1)},
    "BaseConvTranspose": {"filters": ("kernel", -2)},
    "BaseConv": {"filters": ("kernel", -1)},
}


def oddities(model: keras.Model, inputs: Array) -> list[Oddity]:  # noqa: ARG001 - others run the model
    """``Framework.oddities``."""
    named = list(layers_by_name(model).items())
    return [*declared(named, LENGTHS, _shape), *_precision(named)]


def _precision(named: Sequence[tuple[str, Any]]) -> Iterator[Oddity]:
    """Layers that compute in less than they keep."""
    for name, layer in named:
        if layer.variables and layer.compute_dtype != layer.variable_dtype:
            said = (
                f"its policy {layer.dtype_policy.name} computes in {layer.compute_dtype}, whatever dtype is asked for"
            )
            yield "precision", name, f"{said}; prove the model under a policy of one dtype"


def _shape(layer: Any, tensor: str) -> Sequence[int] | None:
    held = next((variable for variable in layer.variables if variable.name == tensor), None)
    return None if held is None else tuple(held.shape)
