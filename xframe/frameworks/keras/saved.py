"""``.keras`` files as models: the layers that the file's configuration describes, in the dtype that is asked for.

Every class that the configuration names has to be one of Keras's own, so nothing else is imported, and no code that
stands in the file is run. Keras's own safe mode is on besides.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from xframe.frameworks.refusals import Unbuildable

_CONFIGURATION, _WEIGHTS = "config.json", "model.weights.h5"
_LAMBDAS = ("Lambda", "__lambda__")
_MOST = 2**28  # bytes of configuration
_FLOATS = ("float16", "bfloat16", "float32", "float64")


def load(path: Path, dtype: str) -> keras.Model:
    """The model with its weights. Raises Unbuildable."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(_CONFIGURATION).file_size > _MOST:
                raise Unbuildable(f"{path} was expected to describe a model; found over {_MOST} bytes of configuration")
            said = json.loads(archive.read(_CONFIGURATION))
            weights = archive.read(_WEIGHTS)
    except (OSError, KeyError, ValueError, RecursionError, zipfile.BadZipFile) as error:
        raise Unbuildable(f"{path} was expected to be a model that Keras 3 saved; found none ({error})") from error
    _check(path, said)
    try:
        model = keras.saving.deserialize_keras_object(_recast(said, dtype), safe_mode=True)
    except (TypeError, ValueError, ImportError, AttributeError) as error:
        raise Unbuildable(
            f"{path} describes a model that Keras {keras.__version__} does not build: {_line(error)}"
        ) from error
    if not isinstance(model, keras.Model):
        raise Unbuildable(f"{path} was expected to describe a keras.Model; found a {type(model).__name__}")
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder) / _WEIGHTS
        held.write_bytes(weights)
        model.load_weights(held)
    return model


def _check(path: Path, said: Any) -> None:
    """Raise Unbuildable for a configuration that names anything but Keras's own classes."""
    for node in _objects(said):
        module, name = node.get("module"), node["class_name"]
        if name in _LAMBDAS:
            raise Unbuildable(
                f"{path} holds a Lambda, code that would be run, and is refused. "
                "Try: the model built from code, ./net.py:factory, and the file by --weights"
            )
        if "module" in node and (not isinstance(module, str) or module.partition(".")[0] != "keras"):
            registered = node.get("registered_name") or name
            raise Unbuildable(
                f"{path} needs '{registered}', which is none of Keras's own classes, and nothing else is imported. "
                "Try: the model built from code, ./net.py:factory, and the file by --weights"
            )


def _objects(said: Any) -> Iterator[dict[str, Any]]:
    """Everything in a configuration that says its class."""
    if isinstance(said, dict):
        if isinstance(said.get("class_name"), str):
            yield said
        for part in said.values():
            yield from _objects(part)
    elif isinstance(said, list):
        for part in said:
            yield from _objects(part)


def _recast(said: Any, dtype: str) -> Any:
    """The configuration with layers and inputs of floating-point numbers in ``dtype``; policies of two dtypes stay."""
    if isinstance(said, list):
        return [_recast(part, dtype) for part in said]
    if not isinstance(said, dict):
        return said
    if said.get("class_name") == "DTypePolicy" and said["config"].get("name") in _FLOATS:
        return {**said, "config": {**said["config"], "name": dtype}}
    return {key: dtype if key == "dtype" and part in _FLOATS else _recast(part, dtype) for key, part in said.items()}


def _line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
