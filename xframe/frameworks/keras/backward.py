"""Gradients of a ``keras.Model``, on the backends that give them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import keras
import numpy as np

from xframe.frameworks import Backward, Cotangent, as_input
from xframe.frameworks.keras.model import in_dtype
from xframe.tensors import Array


def gradients(model: keras.Model, inputs: Array, dtype: str, cotangent: Cotangent) -> Backward:
    """``Framework.gradients``."""
    model = in_dtype(model, dtype)
    call, variables = partial(_evaluated, model), {variable.path: variable for variable in model.weights}
    if keras.backend.backend() == "tensorflow":
        from xframe.frameworks.tf import tape_gradients  # noqa: PLC0415 - another backend need not have it

        values = {name: variable.value for name, variable in variables.items()}
        return tape_gradients(call, values, as_input(inputs, dtype), cotangent)
    if keras.backend.backend() == "torch":
        return _torch_gradients(call, variables, as_input(inputs, dtype), cotangent)
    raise ValueError(f"gradients are taken on the tensorflow and torch backends, not on {keras.backend.backend()}")


def trainable(model: keras.Model) -> list[str]:
    """``Framework.trainable``."""
    return [variable.path for variable in model.trainable_variables]


def _evaluated(model: keras.Model, inputs: Any) -> Any:
    return model(inputs, training=False)


def _torch_gradients(call: Any, variables: Mapping[str, Any], inputs: Array, cotangent: Cotangent) -> Backward:
    import torch  # noqa: PLC0415 - another backend need not have it

    held = {name: variable.value for name, variable in variables.items() if variable.value.is_floating_point()}
    asked = {name: value.requires_grad for name, value in held.items()}
    x = torch.from_numpy(inputs)
    ends = [*held.values(), *([x.requires_grad_()] if x.is_floating_point() else [])]
    try:
        for value in held.values():
            value.requires_grad_()
        outputs = keras.tree.flatten(call(x))
        seeds = [torch.from_numpy(cotangent(n, tuple(y.shape))).to(y.dtype) for n, y in enumerate(outputs)]
        found = torch.autograd.grad(outputs, ends, seeds, allow_unused=True, materialize_grads=True)
    finally:
        for name, value in held.items():
            value.requires_grad_(requires_grad=asked[name])
    by_name = {name: part.numpy() for name, part in zip(held, found, strict=False)}
    at_input = found[-1].numpy() if x.is_floating_point() else np.zeros(inputs.shape, seeds[0].numpy().dtype)
    return Backward(by_name, at_input)
