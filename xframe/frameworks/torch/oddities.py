"""Layers of a ``torch.nn.Module`` that it does not know of, and lengths that are untrue."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from xframe.frameworks.oddities import Lengths, Oddity, declared, told, unregistered
from xframe.tensors import Array

_WIDTHS: Lengths = {"num_features": ("weight", 0)}
LENGTHS: dict[str, Lengths] = {
    "Linear": {"out_features": ("weight", 0), "in_features": ("weight", 1)},
    "_BatchNorm": _WIDTHS,
    "_InstanceNorm": _WIDTHS,
    "Embedding": {"num_embeddings": ("weight", 0), "embedding_dim": ("weight", 1)},
    "_ConvTransposeNd": {"in_channels": ("weight", 0)},
    "_ConvNd": {"out_channels": ("weight", 0)},
}


def oddities(model: torch.nn.Module, inputs: Array) -> list[Oddity]:
    """``Framework.oddities``."""
    named = list(model.named_modules())
    loose = list(unregistered(named, torch.nn.Module, frozenset(vars(torch.nn.Module()))))
    calls = _calls(model, [layer for _, layer in loose], inputs) if loose else {}
    found = [told(path, layer, calls.get(id(layer)), "an nn.ModuleList or nn.ModuleDict") for path, layer in loose]
    return [*found, *declared(named, LENGTHS, _shape)]


def _calls(model: torch.nn.Module, layers: Sequence[torch.nn.Module], inputs: Array) -> dict[int, int]:
    """How often each layer is called in a forward pass; nothing where that fails."""
    counts = dict.fromkeys(map(id, layers), 0)

    def count(layer: torch.nn.Module, *_: object) -> None:
        counts[id(layer)] += 1

    hooks = [layer.register_forward_hook(count) for layer in layers]
    dtype = next((parameter.dtype for parameter in layers[0].parameters()), torch.float32)
    try:
        with torch.inference_mode():
            fed = torch.from_numpy(inputs)
            model.eval().to(dtype)(fed.to(dtype) if fed.is_floating_point() else fed)
    except (RuntimeError, TypeError, ValueError):
        return {}
    finally:
        for hook in hooks:
            hook.remove()
    return counts


def _shape(layer: torch.nn.Module, tensor: str) -> Sequence[int] | None:
    held = getattr(layer, tensor, None)
    return None if held is None else tuple(held.shape)
