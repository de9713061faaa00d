"""Paddle, inside its worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import paddle

from xframe.frameworks import Call, Cotangent, NotInEvaluation, State, Tell, resolve
from xframe.tensors import Array


class Paddle:
    """State dicts and forward passes of ``paddle.nn.Layer``."""

    versions: ClassVar = {"paddle": paddle.__version__}

    def build(self, factory: str, options: Mapping[str, Any], dtype: str) -> paddle.nn.Layer:
        return _cast(resolve(factory)(**options), dtype)

    def state(self, model: paddle.nn.Layer) -> State:
        return {name: (tensor.numpy(), _dtype(tensor)) for name, tensor in model.state_dict().items()}

    def load(self, model: paddle.nn.Layer, state: State) -> None:
        tensors = {name: paddle.to_tensor(np.array(array), dtype=dtype) for name, (array, dtype) in state.items()}
        _set(model, tensors)

    def load_file(self, model: paddle.nn.Layer, path: Path) -> None:
        _set(model, paddle.load(str(path)))

    def save_file(self, model: paddle.nn.Layer, path: Path) -> None:
        paddle.save(model.state_dict(), str(path))

    def run(self, model: paddle.nn.Layer, inputs: Array, dtype: str, taps: Sequence[str], tell: Tell) -> list[Array]:
        outputs = _run(model, inputs, dtype, {name: _teller(name, tell) for name in taps})
        training = [name or "the model" for name, layer in model.named_sublayers(include_self=True) if layer.training]
        if training:
            raise NotInEvaluation(", ".join(training))
        return [output.numpy() for output in _listed(outputs)]

    def gradients(
        self, model: paddle.nn.Layer, inputs: Array, dtype: str, cotangent: Cotangent
    ) -> tuple[dict[str, Array], Array]:
        _cast(model, dtype).eval()
        state = model.state_dict()
        wanted = {name: tensor for name, tensor in state.items() if isinstance(tensor, paddle.base.framework.Parameter)}
        frozen = {name: tensor for name, tensor in wanted.items() if tensor.stop_gradient}
        x = paddle.to_tensor(inputs.astype(dtype), stop_gradient=False)
        try:
            for tensor in frozen.values():
                tensor.stop_gradient = False
            outputs = _listed(model(x))
            seeds = [paddle.to_tensor(cotangent(n, tuple(y.shape)).astype(dtype)) for n, y in enumerate(outputs)]
            at_input, *found = paddle.grad(outputs, [x, *wanted.values()], seeds, allow_unused=True)
        finally:
            for tensor in frozen.values():
                tensor.stop_gradient = True
        gradients = {
            name: np.zeros(tensor.shape, dtype) if part is None else part.numpy()
            for (name, tensor), part in zip(wanted.items(), found, strict=True)
            if part is not None or name not in frozen  # running statistics are parameters here, and never have one
        }
        return gradients, np.zeros_like(inputs, dtype) if at_input is None else at_input.numpy()

    def layers(self, model: paddle.nn.Layer) -> dict[str, str]:
        return {name: type(layer).__name__ for name, layer in model.named_sublayers()}

    def trace(self, model: paddle.nn.Layer, inputs: Array, taps: Sequence[str]) -> list[Call]:
        calls: list[Call] = []
        _run(model, inputs, "float32", {name: _tracer(name, calls) for name in taps})
        return calls

    def export_onnx(self, model: paddle.nn.Layer, path: Path, inputs: Array) -> None:
        spec = paddle.static.InputSpec([None, *inputs.shape[1:]], "float32", "input")
        _cast(model, "float32").eval()
        paddle.onnx.export(model, str(path.with_suffix("")), input_spec=[spec], opset_version=17)


def _cast(model: paddle.nn.Layer, dtype: str) -> paddle.nn.Layer:
    """Floating-point parameters and buffers in ``dtype``; the others stay."""
    return model.to(dtype=dtype)


def _set(model: paddle.nn.Layer, tensors: Mapping[str, Any]) -> None:
    """Paddle only warns of names that do not match; here they are errors."""
    missing, unexpected = model.set_state_dict(tensors)
    if missing or unexpected:
        raise ValueError(f"set_state_dict left {missing} unset and {unexpected} unused")


def _run(model: paddle.nn.Layer, inputs: Array, dtype: str, hooks: Mapping[str, Any]) -> Any:
    """Outputs of a forward pass; ``hooks`` by sublayer hear of every call."""
    _cast(model, dtype).eval()
    layers = dict(model.named_sublayers())
    placed = [layers[name].register_forward_post_hook(hook) for name, hook in hooks.items()]
    try:
        with paddle.no_grad():
            return model(paddle.to_tensor(inputs.astype(dtype)))
    finally:
        for hook in placed:
            hook.remove()


def _tracer(name: str, calls: list[Call]) -> Any:
    def trace(_layer: Any, read: Any, gave: Any) -> None:
        calls.append(Call(name, tuple(_listed(read)[0].shape), tuple(_listed(gave)[0].shape)))

    return trace


def _teller(name: str, tell: Tell) -> Any:
    def hook(_layer: Any, _inputs: Any, output: Any) -> None:
        for part in _listed(output):
            tell(name, part.numpy())

    return hook


def _listed(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


def _dtype(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("paddle.")


framework = Paddle()
