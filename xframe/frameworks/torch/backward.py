"""Gradients of a ``torch.nn.Module``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from xframe.frameworks import Backward, Cotangent, as_input
from xframe.frameworks.torch.model import listed
from xframe.tensors import Array


def gradients(model: torch.nn.Module, inputs: Array, dtype: str, cotangent: Cotangent) -> Backward:
    """``Framework.gradients``; token ids have none, and zeros say so."""
    model.to(getattr(torch, dtype)).eval()
    wanted = _parameters(model)
    x = torch.from_numpy(as_input(inputs, dtype))
    ends = [*wanted.values(), *([x.requires_grad_()] if x.is_floating_point() else [])]
    with _thawed(list(wanted.values())):
        outputs = listed(model(x))
        seeds = [torch.from_numpy(cotangent(n, tuple(y.shape)).astype(dtype)) for n, y in enumerate(outputs)]
        found = torch.autograd.grad(outputs, ends, seeds, allow_unused=True, materialize_grads=True)
    by_name = {name: part.numpy() for name, part in zip(wanted, found, strict=False)}
    return Backward(by_name, found[-1].numpy() if x.is_floating_point() else np.zeros(inputs.shape, dtype))


def trainable(model: torch.nn.Module) -> list[str]:
    """``Framework.trainable``."""
    return [name for name, tensor in _parameters(model).items() if tensor.requires_grad]


def _parameters(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    held = model.state_dict(keep_vars=True)
    scripted = {name for name, _ in model.named_parameters(remove_duplicate=False)}  # there they are plain tensors
    return {name: tensor for name, tensor in held.items() if isinstance(tensor, torch.nn.Parameter) or name in scripted}


@contextmanager
def _thawed(parameters: Sequence[torch.nn.Parameter]) -> Iterator[None]:
    """All parameters with gradients, the frozen ones too, until the end."""
    frozen = [parameter for parameter in parameters if not parameter.requires_grad]
    try:
        for parameter in frozen:
            parameter.requires_grad_()
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(requires_grad=False)
