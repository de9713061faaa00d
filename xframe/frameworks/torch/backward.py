"""Gradients of a ``torch.nn.Module``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from xframe.frameworks import Backward, Cotangent
from xframe.frameworks.torch.model import listed
from xframe.tensors import Array


def gradients(model: torch.nn.Module, inputs: Array, dtype: str, cotangent: Cotangent) -> Backward:
    """``Framework.gradients``."""
    model.to(getattr(torch, dtype)).eval()
    wanted = _parameters(model)
    x = torch.from_numpy(inputs.astype(dtype)).requires_grad_()
    with _thawed(list(wanted.values())):
        outputs = listed(model(x))
        seeds = [torch.from_numpy(cotangent(n, tuple(y.shape)).astype(dtype)) for n, y in enumerate(outputs)]
        found = torch.autograd.grad(outputs, [x, *wanted.values()], seeds, allow_unused=True, materialize_grads=True)
    return Backward({name: part.numpy() for name, part in zip(wanted, found[1:], strict=True)}, found[0].numpy())


def trainable(model: torch.nn.Module) -> list[str]:
    """``Framework.trainable``."""
    return [name for name, tensor in _parameters(model).items() if tensor.requires_grad]


def _parameters(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    held = model.state_dict(keep_vars=True)
    return {name: tensor for name, tensor in held.items() if isinstance(tensor, torch.nn.Parameter)}


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
