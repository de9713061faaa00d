"""TensorFlow without Keras, inside its worker: ``tf.Module`` and its variables."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from xframe.frameworks import (
    Backward,
    Changes,
    Cotangent,
    Precision,
    State,
    Visit,
    as_input,
    environment_switches,
    fits_one_file,
)
from xframe.frameworks.attributes import Attributes
from xframe.frameworks.factories import is_saved, made, without_arguments
from xframe.tensors import STORAGE, Array


class TensorFlow:
    """Variables and calls of ``tf.Module``. A variable's name is its own, ``conv_W1`` for ``conv_W1:0``.

    A factory takes ``dtype``, the name of its variables' dtype, besides the table's options: TensorFlow fixes it when a
    variable is made. There are no layers to tap.
    """

    versions: ClassVar = {"tensorflow": tf.__version__}

    def __init__(self) -> None:
        self._recipes: weakref.WeakKeyDictionary[Any, tuple[str, Mapping[str, Any]]] = weakref.WeakKeyDictionary()

    def build(self, factory: str, options: Mapping[str, Any], dtype: str) -> Any:
        if is_saved(factory):
            from xframe.frameworks.tf.saved import Saved  # noqa: PLC0415 - few models need it

            model: Any = Saved(without_arguments(factory, options), dtype)
            self._recipes[model] = factory, options
            return model
        model = made(factory, options, tf.Module, further={"dtype": dtype})
        self._recipes[model] = factory, options
        return model

    def state(self, model: Any) -> State:
        return {name: _to_array(variable) for name, variable in _variables(model).items()}

    def load(self, model: Any, state: State) -> None:
        variables = _variables(model)
        if variables.keys() != state.keys():
            missing, unexpected = sorted(variables.keys() - state.keys()), sorted(state.keys() - variables.keys())
            raise ValueError(f"the state leaves {missing} unset and {unexpected} unused")
        for name, (array, dtype) in state.items():
            variables[name].assign(array.view(tf.dtypes.as_dtype(dtype).as_numpy_dtype))

    def load_file(self, model: Any, path: Path) -> None:
        """A checkpoint under the variables' own names."""
        held = tf.train.load_checkpoint(str(path.with_suffix("")))
        variables, names = _variables(model), set(held.get_variable_to_shape_map())
        if variables.keys() != names:
            raise ValueError(f"the file lacks {sorted(variables.keys() - names)} or has more")
        for name, variable in variables.items():
            variable.assign(held.get_tensor(name))

    def save_file(self, model: Any, path: Path) -> None:
        save_bundle(path, _variables(model))

    def run(self, model: Any, inputs: Array, dtype: str, taps: Sequence[str], visit: Visit) -> list[Array]:  # noqa: ARG002
        return [
            output.numpy() for output in tf.nest.flatten(self._in(model, dtype)(tf.constant(as_input(inputs, dtype))))
        ]

    def gradients(self, model: Any, inputs: Array, dtype: str, cotangent: Cotangent) -> Backward:
        model = self._in(model, dtype)
        return tape_gradients(model, _variables(model), as_input(inputs, dtype), cotangent)

    def replay(self, model: Any, layer: str, reads: Sequence[Array], dtype: str, changes: Changes) -> list[Array]:  # noqa: ARG002
        raise ValueError(f"a tf.Module has no layers, so there is no {layer}")

    def trainable(self, model: Any) -> list[str]:
        return [name for name, variable in _variables(model).items() if variable.trainable]

    def layers(self, model: Any) -> dict[str, str]:  # noqa: ARG002
        return {}

    def attributes(self, model: Any) -> dict[str, Attributes]:  # noqa: ARG002
        return {}

    def precision(self) -> Precision:
        """TF32 is TensorFlow's default; it is for GPUs alone, so it reduces nothing here."""
        enabled = tf.config.experimental.tensor_float_32_execution_enabled()
        return Precision({"tensor_float_32_execution": str(enabled), **environment_switches()})

    def export_onnx(
        self,
        model: Any,
        path: Path,
        inputs: Array,
        *,
        opset: int | None,
        external: bool,  # noqa: ARG002 - it writes one file only
    ) -> str:
        import tf2onnx  # noqa: PLC0415 - only exports need it

        fits_one_file(self.state(model))
        signature = [tf.TensorSpec((None, *inputs.shape[1:]), tf.float32, name="input")]
        call = tf.function(self._in(model, "float32"), input_signature=signature)
        tf2onnx.convert.from_function(call, input_signature=signature, opset=opset, output_path=str(path))
        return f"tf2onnx {tf2onnx.__version__}"

    def _in(self, model: Any, dtype: str) -> Any:
        """The same model in ``dtype``, built again where it has another."""
        if all(variable.dtype == dtype for variable in model.variables if variable.dtype.is_floating):
            return model
        twin = self.build(*self._recipes[model], dtype)
        originals = _variables(model)
        for name, variable in _variables(twin).items():
            variable.assign(tf.cast(originals[name], variable.dtype))
        return twin


def tape_gradients(call: Any, variables: Mapping[str, Any], inputs: Array, cotangent: Cotangent) -> Backward:
    """``Framework.gradients`` of anything that TensorFlow's tape sees through, statistics too; zeros of token ids."""
    wanted = {name: variable for name, variable in variables.items() if variable.dtype.is_floating}
    x = tf.constant(inputs)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        ends = [*wanted.values(), *([x] if x.dtype.is_floating else [])]
        tape.watch(ends)
        outputs = tf.nest.flatten(call(x))
    seeds = [tf.constant(cotangent(n, tuple(y.shape)).astype(y.dtype.as_numpy_dtype)) for n, y in enumerate(outputs)]
    found = tape.gradient(outputs, ends, seeds, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    arrays = [tf.convert_to_tensor(part).numpy() for part in found]
    at_input = arrays[-1] if x.dtype.is_floating else np.zeros(inputs.shape, seeds[0].dtype.as_numpy_dtype)
    return Backward(dict(zip(wanted, arrays, strict=False)), at_input)


def save_bundle(path: Path, tensors: Mapping[str, Any]) -> None:
    """A TensorFlow checkpoint under these names, as ``tf.compat.v1.train.Saver`` writes one."""
    held = [tf.convert_to_tensor(tensor) for tensor in tensors.values()]
    prefix = str(path.with_suffix(""))
    tf.raw_ops.SaveV2(prefix=prefix, tensor_names=list(tensors), shape_and_slices=[""] * len(held), tensors=held)


def _variables(model: Any) -> dict[str, Any]:
    """A module's variables by name, which must tell them apart."""
    variables = {variable.name.removesuffix(":0"): variable for variable in model.variables}
    if len(variables) != len(model.variables):
        raise ValueError("two variables of the module have one name")
    return variables


def _to_array(variable: Any) -> tuple[Array, str]:
    array, dtype = variable.numpy(), variable.dtype.name
    return np.ascontiguousarray(array).reshape(array.shape).view(STORAGE[dtype]), dtype


framework = TensorFlow()
