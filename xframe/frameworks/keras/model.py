"""Building a ``keras.Model``, and its variables."""

from __future__ import annotations

import shutil
import tempfile
import weakref
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from xframe.frameworks import State
from xframe.frameworks.factories import is_saved, made, without_arguments
from xframe.frameworks.keras.described import layers_by_name
from xframe.tensors import STORAGE, Array

_recipes: weakref.WeakKeyDictionary[Any, tuple[str, Mapping[str, Any]]] = weakref.WeakKeyDictionary()


def keep_float64() -> None:
    """Let float64 stay what it is: on other backends than TensorFlow, Keras computes it in float32 and says float64.

    Source: BIT64_TO_BIT32_DTYPE in keras/src/backend/common/dtypes.py, "to be aligned with JAX's default behavior".
    Raises RuntimeError where that did not help, for then nothing could be proven.
    """
    from keras.src.backend.common import dtypes  # noqa: PLC0415 - no public name leads there

    dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"
    if keras.backend.result_type("float64", "float64") != "float64":
        raise RuntimeError(f"Keras {keras.__version__} on {keras.backend.backend()} computes float64 in less")


def build(factory: str, options: Mapping[str, Any], dtype: str) -> keras.Model:
    """``Framework.build``."""
    keras.config.set_dtype_policy(dtype)
    keras.config.set_floatx(dtype if dtype in ("float16", "float32", "float64") else "float32")
    _number_anew()
    if is_saved(factory):
        from xframe.frameworks.keras import saved  # noqa: PLC0415 - few models need it

        model = saved.load(without_arguments(factory, options), dtype)
    else:
        model = made(factory, options, keras.Model)
    _keep_scales(model)
    _recipes[model] = factory, options
    return model


def _number_anew() -> None:
    """Let unnamed layers be called as in a fresh process, ``conv2d`` and not ``conv2d_4``: tables go by these names.

    Source: keras/src/utils/naming.py, whose counter no public name leads to but clear_session, which ends models too.
    """
    from keras.src.backend.common import global_state  # noqa: PLC0415

    global_state.set_global_attribute("object_name_uids", defaultdict(int))


def _keep_scales(model: keras.Model) -> None:
    """Let attention divide by the root of its dimension in float64 too: of a Python number Keras makes float32 first.

    keras.ops.cast goes through tf.cast, which gives a Python number float32; a numpy one keeps its dtype. Otherwise a
    float64 model of 3 dimensions a head is 1e-9 away from the same attention elsewhere.
    """
    for layer in layers_by_name(model).values():
        for name in ("_inverse_sqrt_key_dim", "_inverse_sqrt_head_dim"):
            if isinstance(scale := getattr(layer, name, None), float):
                setattr(layer, name, np.float64(scale))


def state(model: keras.Model) -> State:
    """``Framework.state``."""
    return {variable.path: _to_array(variable) for variable in model.weights}


def load(model: keras.Model, state: State) -> None:
    """``Framework.load``."""
    variables = {variable.path: variable for variable in model.weights}
    if variables.keys() != state.keys():
        missing, unexpected = sorted(variables.keys() - state.keys()), sorted(state.keys() - variables.keys())
        raise ValueError(f"the state leaves {missing} unset and {unexpected} unused")
    for name, (array, dtype) in state.items():
        variables[name].assign(to_tensor(array, dtype))


def load_file(model: keras.Model, path: Path) -> None:
    """``Framework.load_file``: weights only; of a .keras archive the configuration is never read."""
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


def save_file(model: keras.Model, path: Path) -> None:
    """``Framework.save_file``."""
    if path.suffix == ".keras":
        model.save(path)
    elif path.suffix == ".index":
        _save_bundle(model, path)
    else:
        model.save_weights(path)


def in_dtype(model: keras.Model, dtype: str) -> keras.Model:
    """The same model in ``dtype``: Keras fixes a layer's dtype when it is built, so it is built again."""
    if all(variable.dtype == dtype for variable in model.weights if "float" in variable.dtype):
        return model
    twin = build(*_recipes[model], dtype)
    for variable, original in zip(twin.weights, model.weights, strict=True):
        variable.assign(keras.ops.cast(original, variable.dtype))
    return twin


def _save_bundle(model: keras.Model, path: Path) -> None:
    if keras.backend.backend() != "tensorflow":
        raise ValueError(f"only the tensorflow backend writes TensorFlow checkpoints, not {keras.backend.backend()}")
    from xframe.frameworks.tf import save_bundle  # noqa: PLC0415 - another backend need not have TensorFlow

    save_bundle(path, {variable.path: variable.value for variable in model.weights})


def _to_array(variable: Any) -> tuple[Array, str]:
    array, dtype = keras.ops.convert_to_numpy(variable), variable.dtype
    return np.ascontiguousarray(array).reshape(array.shape).view(STORAGE[dtype]), dtype


def to_tensor(array: Array, dtype: str) -> Any:
    """What a variable of ``dtype`` can be assigned from a stored array."""
    if STORAGE[dtype].name == dtype:
        return np.array(array)
    import ml_dtypes  # noqa: PLC0415 - every Keras backend brings it; only bfloat16 and float8 need it

    return array.view(getattr(ml_dtypes, dtype))
