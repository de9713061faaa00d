"""Gradients of a ``paddle.nn.Layer``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import paddle

from xframe.frameworks import Backward, Cotangent
from xframe.frameworks.paddle.model import cast, listed
from xframe.frameworks.paddle.pools import exact_pools
from xframe.tensors import Array


def gradients(model: paddle.nn.Layer, inputs: Array, dtype: str, cotangent: Cotangent) -> Backward:
    """``Framework.gradients``."""
    cast(model, dtype).eval()
    wanted = _parameters(model)
    frozen = {name: tensor for name, tensor in wanted.items() if tensor.stop_gradient}
    x = paddle.to_tensor(inputs.astype(dtype), stop_gradient=False)
    with _thawed(frozen), exact_pools() as errors:
        outputs = listed(model(x))
        seeds = [paddle.to_tensor(cotangent(n, tuple(y.shape)).astype(dtype)) for n, y in enumerate(outputs)]
        at_input, *found = paddle.grad(outputs, [x, *wanted.values()], seeds, allow_unused=True)
    by_name = {
        name: np.zeros(tensor.shape, dtype) if part is None else part.numpy()
        for (name, tensor), part in zip(wanted.items(), found, strict=True)
        if part is not None or name not in frozen  # running statistics are parameters here, and never have one
    }
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
def _thawed(frozen: Mapping[str, paddle.Tensor]) -> Iterator[None]:
    """Frozen parameters with gradients until the end."""
    try:
        for tensor in frozen.values():
            tensor.stop_gradient = False
        yield
    finally:
        for tensor in frozen.values():
            tensor.stop_gradient = True
