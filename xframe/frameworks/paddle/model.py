"""Building a ``paddle.nn.Layer``, and its state dict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle.utils import unique_name

from xframe.frameworks import State
from xframe.frameworks.factories import is_saved, made, without_arguments
from xframe.frameworks.savings import remember
from xframe.tensors import Array


def build(factory: str, options: Mapping[str, Any], dtype: str) -> Any:
    """``Framework.build``."""
    if is_saved(factory):
        from xframe.frameworks.paddle import saved  # noqa: PLC0415 - it needs this module, and few models need it

        names = options.get(saved.NAMES, [])
        own = {key: value for key, value in options.items() if key != saved.NAMES}
        return remember(saved.Program(without_arguments(factory, own), names, dtype))
    with unique_name.guard():  # parameters are named as in a fresh process: an optimizer's files go by these names
        return cast(made(factory, options, paddle.nn.Layer), dtype)


def state(model: paddle.nn.Layer) -> State:
    """``Framework.state``."""
    return {name: (tensor.numpy(), _dtype(tensor)) for name, tensor in model.state_dict().items()}


def load(model: paddle.nn.Layer, state: State) -> None:
    """``Framework.load``."""
    _set(model, {name: to_tensor(*held) for name, held in state.items()})


def load_file(model: paddle.nn.Layer, path: Path) -> None:
    """``Framework.load_file``."""
    _set(model, paddle.load(str(path)))


def save_file(model: paddle.nn.Layer, path: Path) -> None:
    """``Framework.save_file``."""
    paddle.save(model.state_dict(), str(path))


def cast(model: paddle.nn.Layer, dtype: str) -> paddle.nn.Layer:
    """Floating-point parameters and buffers in ``dtype``; the others stay.

    ``Layer.to`` would cast every buffer, and fails at the dropout state of nn.LSTM, which has no memory yet (3.3.1).
    """
    return model._to_impl(dtype=dtype, floating_only=True)  # noqa: SLF001 - what is public casts whole numbers too


def listed(values: Any) -> list[paddle.Tensor]:
    """Every tensor among what a layer reads or gives, in order, however it is nested."""
    if isinstance(values, paddle.Tensor):
        return [values]
    if isinstance(values, Mapping):
        values = tuple(values.values())
    return [tensor for value in values for tensor in listed(value)] if isinstance(values, tuple | list) else []


def to_tensor(array: Array, dtype: str) -> paddle.Tensor:
    """A tensor of its own that holds a stored array."""
    return paddle.to_tensor(np.array(array), dtype=dtype)


def _set(model: paddle.nn.Layer, tensors: Mapping[str, Any]) -> None:
    """Paddle only warns of names that do not match; here they are errors."""
    missing, unexpected = model.set_state_dict(tensors)
    if missing or unexpected:
        raise ValueError(f"set_state_dict left {missing} unset and {unexpected} unused")


def _dtype(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("paddle.")
