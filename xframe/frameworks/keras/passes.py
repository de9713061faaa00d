"""Forward passes of a ``keras.Model``, watched by wrappers around its layers' ``call``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np

from xframe.frameworks import Changes, Precision, State, Visit, as_input, environment_switches
from xframe.frameworks.attributes import changed
from xframe.frameworks.keras.described import DESCRIPTIONS, layers_by_name
from xframe.frameworks.keras.model import in_dtype, to_tensor
from xframe.tensors import Array

# Keras's own, which end in ``self.activation``. A class of a user's may call it anywhere: it is taken as it is.
_ACTIVATED = {
    getattr(keras.layers, name).call
    for name in (
        *("Dense", "EinsumDense", "Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose"),
        *("Conv3DTranspose", "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"),
    )
}


def run(model: keras.Model, inputs: Array, dtype: str, taps: Sequence[str], visit: Visit) -> list[Array]:
    """``Framework.run``."""
    twin = in_dtype(model, dtype)
    layers = _layers(model, twin)
    with _watched({name: layers[name] for name in taps}, visit):
        outputs = twin(keras.ops.convert_to_tensor(as_input(inputs, dtype)), training=False)
    return arrays(outputs)


def replay(model: keras.Model, layer: str, reads: Sequence[Array], dtype: str, changes: Changes) -> list[Array]:
    """``Framework.replay``."""
    found = _layers(model, in_dtype(model, dtype))[layer]
    arguments = [keras.ops.convert_to_tensor(as_input(array, dtype)) for array in reads]
    with _bare(found), changed(found, changes.attributes, DESCRIPTIONS), _holding(found, changes.tensors):
        return arrays(found.call(*arguments))


def _layers(model: keras.Model, twin: keras.Model) -> dict[str, Any]:
    """The twin's layers by the model's names: Keras numbers unnamed layers anew whenever it builds one."""
    return dict(zip(layers_by_name(model), layers_by_name(twin).values(), strict=True))


def precision() -> Precision:
    """``Framework.precision``, the backend's. A dtype policy such as mixed_float16 is the model's own."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        from xframe.frameworks.tf import framework  # noqa: PLC0415 - another backend need not have it

        return framework.precision()
    if backend == "torch":
        from xframe.frameworks.torch.passes import precision as torch_precision  # noqa: PLC0415 - nor this one

        return torch_precision()
    return Precision(environment_switches())


def arrays(values: Any) -> list[Array]:
    """Every tensor among what a layer reads or gives, in order, however it is nested."""
    found = [keras.ops.convert_to_numpy(part) for part in keras.tree.flatten(values) if keras.ops.is_tensor(part)]
    return [part if part.dtype.kind in "biufc" else part.astype(np.float64) for part in found]  # bfloat16, widened


@contextmanager
def _bare(layer: Any) -> Iterator[Any]:
    """The layer without the activation that it ends in, until the end; yields that. Other frameworks have it behind."""
    held = vars(layer)
    activation = layer.activation if type(layer).call in _ACTIVATED else None
    if activation is None:
        yield None
        return
    before = {key: held[key] for key in ("activation",) if key in held}
    held["activation"] = None  # not by ``setattr``, which would track what is put back once more
    try:
        yield activation
    finally:
        del held["activation"]
        held.update(before)


@contextmanager
def _watched(layers: Mapping[str, Any], visit: Visit) -> Iterator[None]:
    """Each layer's ``call`` wrapped until the end. Not by ``setattr``, which would track the wrapper."""
    with ExitStack() as stack:
        for name, layer in layers.items():
            activation = stack.enter_context(_bare(layer))
            vars(layer)["call"] = _wrapped(name, layer.call, activation, visit)
            stack.callback(vars(layer).pop, "call", None)
        yield


def _wrapped(name: str, call: Any, activation: Any, visit: Visit) -> Any:
    """``visit`` sees what the layer gives before it is activated, which is then done here."""

    def watched(*args: Any, **options: Any) -> Any:
        gave = call(*args, **options)
        instead = visit(name, lambda: arrays(args), arrays(gave))
        gave = gave if instead is None else _rebuilt(gave, iter(instead))
        return gave if activation is None else activation(gave)

    return watched


def _rebuilt(gave: Any, instead: Iterator[Array]) -> Any:
    """What a layer gave, nested as it was, with other tensors in it."""
    leaves = keras.tree.flatten(gave)
    put = [keras.ops.convert_to_tensor(next(instead)) if keras.ops.is_tensor(leaf) else leaf for leaf in leaves]
    return keras.tree.pack_sequence_as(gave, put)


@contextmanager
def _holding(layer: Any, tensors: State) -> Iterator[None]:
    """The layer with other values in some of its variables, named as behind its own path, until the end."""
    held = {variable.path: variable for variable in layer.weights}
    variables = {name: held[f"{layer.path or layer.name}/{name}"] for name in tensors}
    before = {name: keras.ops.copy(variable.value) for name, variable in variables.items()}
    try:
        for name, (array, dtype) in tensors.items():
            variables[name].assign(to_tensor(array, dtype))
        yield
    finally:
        for name, variable in variables.items():
            variable.assign(before[name])
