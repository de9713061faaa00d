"""Keras, inside its worker, on the TensorFlow backend unless ``KERAS_BACKEND`` says otherwise."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
import zipfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from xframe.frameworks import Call, Cotangent, State, Tell, resolve
from xframe.tensors import STORAGE, Array


def keep_float64() -> None:
    """Let float64 stay what it is: on other backends than TensorFlow, Keras computes it in float32 and says float64.

    Source: BIT64_TO_BIT32_DTYPE in keras/src/backend/common/dtypes.py, "to be aligned with JAX's default behavior".
    Raises RuntimeError where that did not help, for then nothing could be proven.
    """
    from keras.src.backend.common import dtypes  # noqa: PLC0415 - no public name leads there

    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    if keras.backend.result_type("float64", "float64") != "float64":
        raise RuntimeError(f"Keras {keras.__version__} on {keras.backend.backend()} computes float64 in less")


class Keras:
    """Variables and forward passes of ``keras.Model``. A variable's name is its path, ``conv1/kernel``."""

    def __init__(self) -> None:
        keep_float64()
        backend = keras.backend.backend()
        self.versions = {"keras": keras.__version__, backend: resolve(f"{backend}:__version__")}
        self._recipes: weakref.WeakKeyDictionary[Any, tuple[str, Mapping[str, Any]]] = weakref.WeakKeyDictionary()

    def build(self, factory: str, options: Mapping[str, Any], dtype: str) -> Any:
        keras.config.set_dtype_policy(dtype)
        keras.config.set_floatx(dtype if dtype in ("float16", "float32", "float64") else "float32")
        model = resolve(factory)(**options)
        self._recipes[model] = factory, options
        return model

    def state(self, model: Any) -> State:
        return {variable.path: _to_array(variable) for variable in model.weights}

    def load(self, model: Any, state: State) -> None:
        variables = {variable.path: variable for variable in model.weights}
        if variables.keys() != state.keys():
            missing, unexpected = sorted(variables.keys() - state.keys()), sorted(state.keys() - variables.keys())
            raise ValueError(f"the state leaves {missing} unset and {unexpected} unused")
        for name, (array, dtype) in state.items():
            variables[name].assign(_to_tensor(array, dtype))

    def load_file(self, model: Any, path: Path) -> None:
        """Weights only: of a .keras archive the configuration is never read."""
        if path.suffix != ".keras":
            model.load_weights(path)
            return
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder) / "model.weights.h5"
            with (
                zipfile.ZipFile(path) as archive,
                archive.open("model.weights.h5") as packed,
                weights.open("wb") as file,
            ):
                shutil.copyfileobj(packed, file)
            model.load_weights(weights)

    def save_file(self, model: Any, path: Path) -> None:
        if path.suffix == ".keras":
            model.save(path)
        elif path.suffix == ".index":
            _save_bundle(model, path)
        else:
            model.save_weights(path)

    def run(self, model: Any, inputs: Array, dtype: str, taps: Sequence[str], tell: Tell) -> list[Array]:
        model = self._in(model, dtype)
        layers = [layer for layer in model.layers if layer.name in taps]
        tapped = keras.Model(model.inputs, [model.outputs, [layer.output for layer in layers]])
        outputs, seen = tapped(keras.ops.convert_to_tensor(inputs.astype(dtype)), training=False)
        for layer, output in zip(layers, seen, strict=True):
            for part in keras.tree.flatten(output):
                tell(layer.name, keras.ops.convert_to_numpy(part))
        return [keras.ops.convert_to_numpy(output) for output in outputs]

    def gradients(self, model: Any, inputs: Array, dtype: str, cotangent: Cotangent) -> tuple[dict[str, Array], Array]:
        model, call = self._in(model, dtype), partial(_evaluated, model)
        variables = {variable.path: variable for variable in model.weights}
        if keras.backend.backend() == "tensorflow":
            from xframe.frameworks.tf import tape_gradients  # noqa: PLC0415 - another backend need not have it

            values = {name: variable.value for name, variable in variables.items()}
            return tape_gradients(call, values, inputs.astype(dtype), cotangent)
        if keras.backend.backend() == "torch":
            return _torch_gradients(call, variables, inputs.astype(dtype), cotangent)
        raise ValueError(f"gradients are taken on the tensorflow and torch backends, not on {keras.backend.backend()}")

    def layers(self, model: Any) -> dict[str, str]:
        return {layer.name: type(layer).__name__ for layer in model.layers}

    def trace(self, model: Any, inputs: Array, taps: Sequence[str]) -> list[Call]:
        model = self._in(model, "float32")
        layers = [layer for layer in model.layers if layer.name in taps]
        ends = [[keras.tree.flatten(layer.input)[0], keras.tree.flatten(layer.output)[0]] for layer in layers]
        seen = keras.Model(model.inputs, ends)(keras.ops.convert_to_tensor(inputs.astype("float32")), training=False)
        return [
            Call(layer.name, tuple(read.shape), tuple(gave.shape))
            for layer, (read, gave) in zip(layers, seen, strict=True)
        ]

    def export_onnx(self, model: Any, path: Path, inputs: Array) -> None:
        signature = [keras.InputSpec(shape=(None, *inputs.shape[1:]), dtype="float32", name="input")]
        self._in(model, "float32").export(str(path), format="onnx", verbose=False, input_signature=signature)

    def _in(self, model: Any, dtype: str) -> Any:
        """The same model in ``dtype``: Keras fixes a layer's dtype when it is built, so it is built again."""
        if all(variable.dtype == dtype for variable in model.weights if "float" in variable.dtype):
            return model
        twin = self.build(*self._recipes[model], dtype)
        for variable, original in zip(twin.weights, model.weights, strict=True):
            variable.assign(keras.ops.cast(original, variable.dtype))
        return twin


def _evaluated(model: Any, inputs: Any) -> Any:
    return model(inputs, training=False)


def _torch_gradients(
    call: Any, variables: Mapping[str, Any], inputs: Array, cotangent: Cotangent
) -> tuple[dict[str, Array], Array]:
    import torch  # noqa: PLC0415 - another backend need not have it

    held = {name: variable.value for name, variable in variables.items() if variable.value.is_floating_point()}
    asked = {name: value.requires_grad for name, value in held.items()}
    x = torch.from_numpy(inputs).requires_grad_()
    try:
        for value in held.values():
            value.requires_grad_()
        outputs = keras.tree.flatten(call(x))
        seeds = [torch.from_numpy(cotangent(n, tuple(y.shape)).astype(inputs.dtype)) for n, y in enumerate(outputs)]
        found = torch.autograd.grad(outputs, [x, *held.values()], seeds, allow_unused=True, materialize_grads=True)
    finally:
        for name, value in held.items():
            value.requires_grad_(requires_grad=asked[name])
    return {name: part.numpy() for name, part in zip(held, found[1:], strict=True)}, found[0].numpy()


def _save_bundle(model: Any, path: Path) -> None:
    if keras.backend.backend() != "tensorflow":
        raise ValueError(f"only the tensorflow backend writes TensorFlow checkpoints, not {keras.backend.backend()}")
    from xframe.frameworks.tf import save_bundle  # noqa: PLC0415 - another backend need not have TensorFlow

    save_bundle(path, {variable.path: variable.value for variable in model.weights})


def _to_array(variable: Any) -> tuple[Array, str]:
    array, dtype = keras.ops.convert_to_numpy(variable), variable.dtype
    return np.ascontiguousarray(array).reshape(array.shape).view(STORAGE[dtype]), dtype


def _to_tensor(array: Array, dtype: str) -> Any:
    if STORAGE[dtype].name == dtype:
        return np.array(array)
    import ml_dtypes  # noqa: PLC0415 - every Keras backend brings it; only bfloat16 and float8 need it

    return array.view(getattr(ml_dtypes, dtype))


framework = Keras()
