"""Forward passes of a ``torch.nn.Module``, watched by hooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils import _pytree as trees

from xframe.frameworks import Changes, NotInEvaluation, Precision, Visit, as_input, environment_switches
from xframe.frameworks.attributes import changed
from xframe.frameworks.torch.described import DESCRIPTIONS
from xframe.frameworks.torch.model import listed, to_tensor
from xframe.tensors import Array


def run(model: torch.nn.Module, inputs: Array, dtype: str, taps: Sequence[str], visit: Visit) -> list[Array]:
    """``Framework.run``."""
    _evaluating(model, dtype)
    hooks = [model.get_submodule(name).register_forward_hook(_hook(name, visit)) for name in taps]
    try:
        with torch.inference_mode():
            outputs = model(torch.from_numpy(as_input(inputs, dtype)))
    finally:
        for hook in hooks:
            hook.remove()
    training = [name or "the model" for name, module in model.named_modules() if module.training]
    if training:
        raise NotInEvaluation(", ".join(training))
    return [output.numpy() for output in listed(outputs)]


def replay(model: torch.nn.Module, layer: str, reads: Sequence[Array], dtype: str, changes: Changes) -> list[Array]:
    """``Framework.replay``."""
    module = _evaluating(model, dtype).get_submodule(layer)
    tensors = {name: to_tensor(*held) for name, held in changes.tensors.items()}
    arguments = tuple(torch.from_numpy(as_input(array, dtype)) for array in reads)
    with torch.inference_mode(), changed(module, changes.attributes, DESCRIPTIONS):
        gave = torch.func.functional_call(module, tensors, arguments)
    return [part.numpy() for part in listed(gave)]


def precision() -> Precision:
    """``Framework.precision``. "high" and "medium" let matrix products use TF32 or bfloat16, on CPUs too."""
    matmul = torch.get_float32_matmul_precision()
    found = {"float32_matmul_precision": matmul, "cudnn.allow_tf32": str(torch.backends.cudnn.allow_tf32)}
    return Precision({**found, **environment_switches()}, () if matmul == "highest" else ("float32_matmul_precision",))


def _evaluating(model: torch.nn.Module, dtype: str) -> torch.nn.Module:
    return model.to(getattr(torch, dtype)).eval()


def _hook(name: str, visit: Visit) -> Any:
    def hook(_module: Any, read: Any, gave: Any) -> Any:
        parts = [part.detach().numpy() for part in listed(gave)]
        instead = visit(name, lambda: [part.detach().numpy() for part in listed(read)], parts)
        return None if instead is None else _rebuilt(gave, instead)

    return hook


def _rebuilt(gave: Any, instead: Sequence[Array]) -> Any:
    """What a module gave, nested as it was, with other tensors in it."""
    leaves, shape = trees.tree_flatten(gave)
    arrays = iter(instead)
    put = [torch.tensor(next(arrays)) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
    return trees.tree_unflatten(put, shape)
