"""Activations that Keras computes with constants rounded to float32, in float64 too: exact ones for float64.

On the TensorFlow backend the slope of a leaky relu is a float32 attribute of its kernel (LeakyReluAttrs in
tensorflow/core/kernels/relu_op.h; measured: relative 4e-8 for 0.3), and tf.nn.gelu rounds its constants on the way.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

_CUBIC = 0.044715  # of the tanh approximation (Hendrycks and Gimpel 2016, arXiv:1606.08415)


def install() -> None:
    """Let float64 tensors take the exact functions; all others go on as before. Twice does no harm."""
    if keras.backend.backend() != "tensorflow":
        return
    from keras.src.backend.tensorflow import nn  # noqa: PLC0415 - no public name leads there

    if not hasattr(nn.leaky_relu, "exact"):
        nn.leaky_relu, nn.gelu = _leaky_relu(nn.leaky_relu), _gelu(nn.gelu)


def _is_float64(x: Any) -> bool:
    return str(keras.backend.standardize_dtype(getattr(x, "dtype", "float32"))) == "float64"


def _leaky_relu(original: Any) -> Any:
    def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
        return ops.where(x < 0, x * negative_slope, x) if _is_float64(x) else original(x, negative_slope)

    leaky_relu.exact = True  # type: ignore[attr-defined]
    return leaky_relu


def _gelu(original: Any) -> Any:
    def gelu(x: Any, approximate: bool = True) -> Any:
        if not _is_float64(x):
            return original(x, approximate)
        cubic, root = (ops.convert_to_tensor(value, x.dtype) for value in (_CUBIC, math.sqrt(2.0 / math.pi)))
        share = ops.tanh(root * (x + cubic * x * x * x)) if approximate else ops.erf(x * math.sqrt(0.5))
        return 0.5 * x * (1.0 + share)

    return gelu
