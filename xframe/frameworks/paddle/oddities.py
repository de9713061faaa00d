"""Layers of a ``paddle.nn.Layer`` that it does not know of, and lengths that are untrue."""

from __future__ import annotations

from collections.abc import Sequence

import paddle

from xframe.frameworks.oddities import Lengths, Oddity, declared, told, unregistered
from xframe.tensors import Array

LENGTHS: dict[str, Lengths] = {
    "Linear": {"out_features": ("weight", 1), "in_features": ("weight", 0)},  # not Paddle's own: set by the user
    "_BatchNormBase": {"_num_features": ("weight", 0)},
    "_InstanceNormBase": {"_num_features": ("scale", 0)},
    "Embedding": {"_num_embeddings": ("weight", 0), "_embedding_dim": ("weight", 1)},
    "Conv1DTranspose": {"_in_channels": ("weight", 0)},
    "Conv2DTranspose": {"_in_channels": ("weight", 0)},
    "Conv3DTranspose": {"_in_channels": ("weight", 0)},
    "_ConvNd": {"_out_channels": ("weight", 0)},
}


def oddities(model: paddle.nn.Layer, inputs: Array) -> list[Oddity]:
    """``Framework.oddities``."""
    named = list(model.named_sublayers(include_self=True))
    loose = list(unregistered(named, paddle.nn.Layer, frozenset(vars(paddle.nn.Layer()))))
    calls = _calls(model, [layer for _, layer in loose], inputs) if loose else {}
    found = [told(path, layer, calls.get(id(layer)), "an nn.LayerList or nn.LayerDict") for path, layer in loose]
    return found + list(declared(named, LENGTHS, _shape))


def _calls(model: paddle.nn.Layer, layers: Sequence[paddle.nn.Layer], inputs: Array) -> dict[int, int]:
    """How often each layer is called in a forward pass; nothing where that fails."""
    counts = dict.fromkeys(map(id, layers), 0)

    def count(layer: paddle.nn.Layer, *_: object) -> None:
        counts[id(layer)] += 1

    hooks = [layer.register_forward_post_hook(count) for layer in layers]
    dtype = next((parameter.dtype for layer in layers for parameter in layer.parameters()), paddle.float32)
    try:
        with paddle.no_grad():
            model.eval()
            fed = paddle.to_tensor(inputs)
            model.to(dtype=dtype)(fed.astype(dtype) if inputs.dtype.kind == "f" else fed)
    except (RuntimeError, TypeError, ValueError):
        return {}
    finally:
        for hook in hooks:
            hook.remove()
    return counts


def _shape(layer: paddle.nn.Layer, tensor: str) -> Sequence[int] | None:
    held = getattr(layer, tensor, None)
    return None if held is None else tuple(held.shape)
