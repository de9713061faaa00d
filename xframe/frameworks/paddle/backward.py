"""Gradients of a ``paddle.nn.Layer``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import paddle
from paddle.nn.layer.rnn import RNNBase

from xframe.frameworks import Backward, Cotangent, as_input
from xframe.frameworks.paddle.model import cast, listed
from xframe.frameworks.paddle.pools import exact_pools
from xframe.tensors import Array


def gradients(model: paddle.nn.Layer, inputs: Array, dtype: str, cotangent: Cotangent) -> Backward:
    """``Framework.gradients``; token ids have none, and zeros say so."""
    cast(model, dtype).eval()
    wanted = _parameters(model)
    frozen = {name: tensor for name, tensor in wanted.items() if tensor.stop_gradient}
    floating = inputs.dtype.kind == "f"
    x = paddle.to_tensor(as_input(inputs, dtype), stop_gradient=not floating)
    once = {tensor.name: tensor for tensor in wanted.values()}  # nn.LSTM has two names for each of its parameters
    ends = [*once.values(), *([x] if floating else [])]
    with _thawed(frozen), _remembering(model), exact_pools() as errors:
        outputs = listed(model(x))
        seeds = [paddle.to_tensor(cotangent(n, tuple(y.shape)).astype(dtype)) for n, y in enumerate(outputs)]
        found = paddle.grad(outputs, ends, seeds, allow_unused=True)
    parts = dict(zip(once, found, strict=False))
    by_name = {
        name: np.zeros(tensor.shape, dtype) if (part := parts[tensor.name]) is None else part.numpy()
        for name, tensor in wanted.items()
        if parts[tensor.name] is not None or name not in frozen  # running statistics are parameters, and have none
    }
    at_input = found[-1] if floating else None
    flown = np.zeros_like(inputs, dtype) if at_input is None else at_input.numpy()
    worst = max(errors, default=0.0)
    return Backward(by_name, flown, (_note(worst),) if worst else ())


def _note(error: float) -> str:
    return (
        f"paddle's average pools give gradients in float32 precision, {error:.1e} off; put right by that known factor"
    )


def trainable(model: paddle.nn.Layer) -> list[str]:
    """``Framework.trainable``."""
    return [name for name, tensor in _parameters(model).items() if not tensor.stop_gradient]


def _parameters(model: paddle.nn.Layer) -> dict[str, paddle.Tensor]:
    held = model.state_dict()
    return {name: tensor for name, tensor in held.items() if isinstance(tensor, paddle.base.framework.Parameter)}


@contextmanager
def _remembering(model: paddle.nn.Layer) -> Iterator[None]:
    """Recurrent layers that can be differentiated until the end, without dropout, so that they give the same.

    In evaluation their kernel keeps nothing for a backward pass; the gradient then fails with "Tensor holds no memory"
    (3.3.1). The way without the kernel, cell by cell, fails for GRU and SimpleRNN.
    """
    recurrent = [layer for layer in model.sublayers(include_self=True) if isinstance(layer, RNNBase)]
    before = [layer.dropout for layer in recurrent]
    try:
        for layer in recurrent:
            layer.training, layer.dropout = True, 0.0
        yield
    finally:
        for layer, dropout in zip(recurrent, before, strict=True):
            layer.training, layer.dropout = False, dropout


@contextmanager
def _thawed(frozen: Mapping[str, paddle.Tensor]) -> Iterator[None]:
    """Frozen parameters with gradients until the end."""
    try:
        for tensor in frozen.values():
            tensor.stop_gradient = False
        yield
    finally:
        for tensor in frozen.values():
            tensor.stop_gradient = True
