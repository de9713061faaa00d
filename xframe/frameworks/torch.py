"""PyTorch, inside its worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from xframe.frameworks import Call, Cotangent, NotInEvaluation, State, Tell, resolve
from xframe.tensors import STORAGE, Array

_BITS = {2: torch.uint16, 1: torch.uint8}


class Torch:
    """State dicts and forward passes of ``torch.nn.Module``."""

    versions: ClassVar = {"torch": torch.__version__}

    def build(self, factory: str, options: Mapping[str, Any], dtype: str) -> torch.nn.Module:
        return resolve(factory)(**options).to(getattr(torch, dtype))

    def state(self, model: torch.nn.Module) -> State:
        return {name: _to_array(tensor) for name, tensor in model.state_dict().items()}

    def load(self, model: torch.nn.Module, state: State) -> None:
        model.load_state_dict({name: _to_tensor(*held) for name, held in state.items()}, strict=True)

    def load_file(self, model: torch.nn.Module, path: Path) -> None:
        model.load_state_dict(torch.load(path, weights_only=True, mmap=True), strict=True)

    def save_file(self, model: torch.nn.Module, path: Path) -> None:
        torch.save(model.state_dict(), path)

    def run(self, model: torch.nn.Module, inputs: Array, dtype: str, taps: Sequence[str], tell: Tell) -> list[Array]:
        outputs = _run(model, inputs, dtype, {name: _teller(name, tell) for name in taps})
        training = [name or "the model" for name, module in model.named_modules() if module.training]
        if training:
            raise NotInEvaluation(", ".join(training))
        return [output.numpy() for output in _listed(outputs)]

    def gradients(
        self, model: torch.nn.Module, inputs: Array, dtype: str, cotangent: Cotangent
    ) -> tuple[dict[str, Array], Array]:
        model.to(getattr(torch, dtype)).eval()
        held = {name: tensor for name, tensor in model.state_dict(keep_vars=True).items() if tensor.is_leaf}
        wanted = {name: tensor for name, tensor in held.items() if isinstance(tensor, torch.nn.Parameter)}
        frozen = [tensor for tensor in wanted.values() if not tensor.requires_grad]
        x = torch.from_numpy(inputs.astype(dtype)).requires_grad_()
        try:
            for tensor in frozen:
                tensor.requires_grad_()
            outputs = _listed(model(x))
            seeds = [torch.from_numpy(cotangent(n, tuple(y.shape)).astype(dtype)) for n, y in enumerate(outputs)]
            found = torch.autograd.grad(
                outputs, [x, *wanted.values()], seeds, allow_unused=True, materialize_grads=True
            )
        finally:
            for tensor in frozen:
                tensor.requires_grad_(requires_grad=False)
        return {name: part.numpy() for name, part in zip(wanted, found[1:], strict=True)}, found[0].numpy()

    def layers(self, model: torch.nn.Module) -> dict[str, str]:
        return {name: type(module).__name__ for name, module in model.named_modules() if name}

    def trace(self, model: torch.nn.Module, inputs: Array, taps: Sequence[str]) -> list[Call]:
        calls: list[Call] = []
        _run(model, inputs, "float32", {name: _tracer(name, calls) for name in taps})
        return calls

    def export_onnx(self, model: torch.nn.Module, path: Path, inputs: Array) -> None:
        example = torch.from_numpy(inputs.astype(np.float32))
        batch = torch.export.Dim("batch")
        torch.onnx.export(
            model.to(torch.float32).eval(), (example,), str(path), dynamo=True, dynamic_shapes=({0: batch},),
            input_names=["input"], output_names=["output"], external_data=False, verbose=False,
        )  # fmt: skip


def _run(model: torch.nn.Module, inputs: Array, dtype: str, hooks: Mapping[str, Any]) -> Any:
    """Outputs of a forward pass; ``hooks`` by submodule hear of every call."""
    model.to(getattr(torch, dtype)).eval()
    placed = [model.get_submodule(name).register_forward_hook(hook) for name, hook in hooks.items()]
    try:
        with torch.inference_mode():
            return model(torch.from_numpy(inputs.astype(dtype)))
    finally:
        for hook in placed:
            hook.remove()


def _tracer(name: str, calls: list[Call]) -> Any:
    def trace(_module: Any, read: Any, gave: Any) -> None:
        calls.append(Call(name, tuple(_listed(read)[0].shape), tuple(_listed(gave)[0].shape)))

    return trace


def _teller(name: str, tell: Tell) -> Any:
    def hook(_module: Any, _inputs: Any, output: Any) -> None:
        for part in _listed(output):
            tell(name, part.detach().numpy())

    return hook


def _listed(outputs: Any) -> list[torch.Tensor]:
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


def _to_array(tensor: torch.Tensor) -> tuple[Array, str]:
    dtype = str(tensor.dtype).removeprefix("torch.")
    tensor = tensor.detach().contiguous()
    if STORAGE[dtype].name != dtype:
        tensor = tensor.view(_BITS[tensor.itemsize])
    return tensor.numpy(), dtype


def _to_tensor(array: Array, dtype: str) -> torch.Tensor:
    tensor = torch.from_numpy(np.array(array))
    return tensor if STORAGE[dtype].name == dtype else tensor.view(getattr(torch, dtype))


framework = Torch()
