"""Forward passes of a ``paddle.nn.Layer``, watched by hooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import paddle
from paddle.nn import functional

from xframe.frameworks import Changes, NotInEvaluation, Precision, State, Visit, as_input, environment_switches
from xframe.frameworks.attributes import changed
from xframe.frameworks.paddle.described import DESCRIPTIONS
from xframe.frameworks.paddle.model import cast, listed, to_tensor
from xframe.tensors import Array


def run(model: paddle.nn.Layer, inputs: Array, dtype: str, taps: Sequence[str], visit: Visit) -> list[Array]:
    """``Framework.run``."""
    cast(model, dtype).eval()
    layers = dict(model.named_sublayers())
    hooks = [layers[name].register_forward_post_hook(_hook(name, _appended(layers[name]), visit)) for name in taps]
    try:
        with paddle.no_grad(), _bare([layers[name] for name in taps]):
            outputs = model(paddle.to_tensor(as_input(inputs, dtype)))
    finally:
        for hook in hooks:
            hook.remove()
    training = [name or "the model" for name, layer in model.named_sublayers(include_self=True) if layer.training]
    if training:
        raise NotInEvaluation(", ".join(training))
    return [output.numpy() for output in listed(outputs)]


def replay(model: paddle.nn.Layer, layer: str, reads: Sequence[Array], dtype: str, changes: Changes) -> list[Array]:
    """``Framework.replay``."""
    cast(model, dtype).eval()
    module = dict(model.named_sublayers())[layer]
    arguments = [paddle.to_tensor(as_input(array, dtype)) for array in reads]
    with (
        paddle.no_grad(),
        _bare([module]),
        changed(module, changes.attributes, DESCRIPTIONS),
        _holding(module, changes.tensors),
    ):
        return [part.numpy() for part in listed(module(*arguments))]


def precision() -> Precision:
    """``Framework.precision``: Paddle has no switch of its own on CPUs but oneDNN's."""
    flag = "FLAGS_use_mkldnn"
    return Precision({flag: str(paddle.get_flags([flag])[flag]), **environment_switches()})


def _appended(layer: paddle.nn.Layer) -> str:
    """The activation that ``paddle.nn.BatchNorm`` appends, "" without; other frameworks have it in a layer behind."""
    return (layer._act or "") if isinstance(layer, paddle.nn.BatchNorm) else ""  # noqa: SLF001 - nothing else says it


@contextmanager
def _bare(layers: Sequence[paddle.nn.Layer]) -> Iterator[None]:
    """Layers without the activations that they append, until the end."""
    appended = [(layer, act) for layer in layers if (act := _appended(layer))]
    try:
        for layer, _ in appended:
            layer._act = None  # noqa: SLF001
        yield
    finally:
        for layer, act in appended:
            layer._act = act  # noqa: SLF001


@contextmanager
def _holding(module: paddle.nn.Layer, tensors: State) -> Iterator[None]:
    """The layer with other values in some of its tensors, until the end."""
    held = module.state_dict()
    before = {name: held[name].clone() for name in tensors}
    try:
        for name, (array, dtype) in tensors.items():
            held[name].set_value(to_tensor(array, dtype))
        yield
    finally:
        for name, value in before.items():
            held[name].set_value(value)


def _hook(name: str, appended: str, visit: Visit) -> Any:
    """``visit`` sees what the layer gives before it is activated; ``appended`` is then done here."""

    def hook(_layer: Any, read: Any, gave: Any) -> Any:
        parts = [part.numpy() for part in listed(gave)]
        instead = visit(name, lambda: [part.numpy() for part in listed(read)], parts)
        gave = gave if instead is None else _rebuilt(gave, iter(instead))
        return getattr(functional, appended)(gave) if appended else gave

    return hook


def _rebuilt(gave: Any, instead: Iterator[Array]) -> Any:
    """What a layer gave, nested as it was, with other tensors in it."""
    if isinstance(gave, paddle.Tensor):
        return paddle.to_tensor(next(instead))
    if isinstance(gave, dict):
        return {key: _rebuilt(value, instead) for key, value in gave.items()}
    return type(gave)(_rebuilt(value, instead) for value in gave) if isinstance(gave, tuple | list) else gave
