"""HDF5 files are parsed in a process of their own, because a damaged one can hang or crash HDF5's C library.

The parent hands over a window of a file and a scratch folder. The child leaves ``result.json`` there: names, dtypes,
shapes and offsets of the tensors, or the words of the error that refuses the file. Values that do not lie in the file
as they are follow one another in ``values``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from xframe.checkpoints.budget import Budget
from xframe.checkpoints.keras.hdf5 import Window
from xframe.checkpoints.model import StoredTensor
from xframe.checkpoints.refusals import refusal
from xframe.errors import CheckpointError
from xframe.tensors import STORAGE, Extent, TensorSpec

LONGEST = 60.0  # seconds: a sound file of 10,000 variables takes three
_RESULT, _VALUES = "result.json", "values"

Parse = Callable[[Window], tuple[str, Mapping[str, StoredTensor]]]


def parsed(window: Window, budget: Budget) -> tuple[str, dict[str, StoredTensor]]:
    """The kind of Keras file in ``window``, and its tensors. A child that hangs or dies is a CheckpointError too."""
    with TemporaryDirectory(prefix="xframe-") as scratch:
        command = [sys.executable, "-P", "-m", "xframe.checkpoints.keras.child", scratch, *map(str, _words(window))]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and module, no shell
                command, check=False, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=LONGEST
            )
        except subprocess.TimeoutExpired:
            found = f"one that keeps HDF5's library busy for over {LONGEST:.0f} seconds"
            raise refusal(window.path, expected="a sound HDF5 file", found=found) from None
        result = Path(scratch) / _RESULT
        if done.returncode or not result.exists():
            found = f"one on which HDF5's library ends with {done.returncode}"
            raise refusal(window.path, expected="a sound HDF5 file", found=found)
        return _received(window, json.loads(result.read_text()), Path(scratch) / _VALUES)


def serve(parse: Parse, arguments: list[str]) -> None:
    """The child's side: parses, and leaves the result in the scratch folder."""
    scratch, path, start, size = arguments
    with (Path(scratch) / _VALUES).open("wb") as values:
        try:
            kind, tensors = parse(Window(Path(path), int(start), int(size)))
            result: dict[str, Any] = {"kind": kind, "tensors": [_told(tensor, values) for tensor in tensors.values()]}
        except CheckpointError as error:
            result = {"error": str(error)}
    (Path(scratch) / _RESULT).write_text(json.dumps(result))


def _words(window: Window) -> tuple[Path, int, int]:
    return window.path.absolute(), window.start, window.size


def _environment() -> dict[str, str]:
    """So that the child finds this very package, wherever it was imported from."""
    root = str(Path(__file__).parents[3])
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))}


def _told(tensor: StoredTensor, values: Any) -> list[Any]:
    spec = tensor.spec
    if tensor.extent is None:
        values.write(np.asarray(tensor.array(), order="C").tobytes())
    return [spec.name, list(spec.shape), spec.dtype, tensor.extent and tensor.extent.offset]


def _received(window: Window, result: dict[str, Any], values: Path) -> tuple[str, dict[str, StoredTensor]]:
    if "error" in result:
        raise CheckpointError(result["error"])
    tensors = {}
    with values.open("rb") as file:
        for name, lengths, dtype, offset in result["tensors"]:
            spec = TensorSpec(name, tuple(lengths), dtype)
            if offset is None:
                flat = np.frombuffer(file.read(spec.nbytes), STORAGE[dtype])
                tensors[name] = StoredTensor(spec=spec, unpack=partial(flat.reshape, spec.shape))
            else:
                extent = Extent.dense(window.path, offset, spec.shape, dtype)
                tensors[name] = StoredTensor(spec=spec, extent=extent)
    return result["kind"], tensors
