"""Building a ``torch.nn.Module``, and its state dict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xframe.frameworks import State
from xframe.frameworks.factories import is_saved, made, without_arguments
from xframe.frameworks.savings import remember
from xframe.tensors import STORAGE, Array

_BITS = {2: torch.uint16, 1: torch.uint8}


def build(factory: str, options: Mapping[str, Any], dtype: str) -> torch.nn.Module:
    """``Framework.build``."""
    if is_saved(factory):
        from xframe.frameworks.torch import saved  # noqa: PLC0415 - it needs this module, and few models need it

        return remember(saved.load(without_arguments(factory, options), dtype))
    return made(factory, options, torch.nn.Module).to(getattr(torch, dtype))


def state(model: torch.nn.Module) -> State:
    """``Framework.state``."""
    return {name: _to_array(tensor) for name, tensor in model.state_dict().items()}


def load(model: torch.nn.Module, state: State) -> None:
    """``Framework.load``."""
    model.load_state_dict({name: to_tensor(*held) for name, held in state.items()}, strict=True)


def load_file(model: torch.nn.Module, path: Path) -> None:
    """``Framework.load_file``."""
    model.load_state_dict(torch.load(path, weights_only=True, mmap=True), strict=True)


def save_file(model: torch.nn.Module, path: Path) -> None:
    """``Framework.save_file``."""
    torch.save(model.state_dict(), path)


def listed(values: Any) -> list[torch.Tensor]:
    """Every tensor among what a module reads or gives, in order, however it is nested."""
    if isinstance(values, torch.Tensor):
        return [values]
    if isinstance(values, Mapping):
        values = tuple(values.values())
    return [tensor for value in values for tensor in listed(value)] if isinstance(values, tuple | list) else []


def _to_array(tensor: torch.Tensor) -> tuple[Array, str]:
    dtype = str(tensor.dtype).removeprefix("torch.")
    tensor = tensor.detach().contiguous()
    if STORAGE[dtype].name != dtype:
        tensor = tensor.view(_BITS[tensor.itemsize])
    return tensor.numpy(), dtype


def to_tensor(array: Array, dtype: str) -> torch.Tensor:
    """A tensor of its own that holds a stored array."""
    tensor = torch.from_numpy(np.array(array))
    return tensor if STORAGE[dtype].name == dtype else tensor.view(getattr(torch, dtype))
