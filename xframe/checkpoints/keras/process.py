"""HDF5 files are parsed in a process of their own, because a damaged one can hang or crash HDF5's C library.

The parent hands over a window of a file, a scratch folder and a budget. The child confines itself, then leaves
``result.json`` there: names, dtypes, shapes and offsets of the tensors, or the words of the error that refuses the
file. What does not lie in the file as it is follows one another in ``values``, which outlives its folder as a mapping.
"""

from __future__ import annotations

import json
import os
import resource
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
from xframe.checkpoints.keras.values import Values
from xframe.checkpoints.model import StoredTensor
from xframe.checkpoints.refusals import refusal, shown
from xframe.errors import CheckpointError
from xframe.tensors import STORAGE, Array, Extent, TensorSpec

LONGEST = 60.0  # seconds: a sound file of 10,000 variables takes three
_RESULT, _VALUES = "result.json", "values"
_ROOM = 2**28  # bytes for HDF5's own caches and for the result
_MOST_FILES = 32
_UNBOUNDED = 2**62

Parse = Callable[[Window, Values], tuple[str, Mapping[str, StoredTensor]]]


def parsed(window: Window, budget: Budget) -> tuple[str, dict[str, StoredTensor]]:
    """The kind of Keras file in ``window``, and its tensors. A child that hangs or dies is a CheckpointError too."""
    with TemporaryDirectory(prefix="xframe-") as scratch:
        command = [sys.executable, "-P", "-m", "xframe.checkpoints.keras.child", scratch, *_words(window, budget)]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and module, no shell
                command,
                check=False,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=LONGEST,
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
    scratch, path, start, size, limit = arguments
    window, values = Window(Path(path), int(start), int(size)), Path(scratch) / _VALUES
    import h5py  # noqa: F401, PLC0415 - before threads and files are rationed

    confine(int(limit))
    try:
        kind, tensors = parse(window, Values(values, Budget(int(limit))))
        result: dict[str, Any] = {"kind": kind, "tensors": [_told(tensor, values) for tensor in tensors.values()]}
    except CheckpointError as error:
        result = {"error": str(error)}
    except (OSError, MemoryError) as error:
        found = f"one that takes more ({shown(error) or type(error).__name__})"
        result = {"error": str(refusal(window.path, expected="an HDF5 file within the limits", found=found))}
    (Path(scratch) / _RESULT).write_text(json.dumps(result))


def confine(limit: int) -> None:
    """Rations this process: ``limit`` bytes of values in a file, as many to unpack them; no child, no core dump."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for kind, most in (
        (resource.RLIMIT_AS, held + 2 * limit + _ROOM),
        (resource.RLIMIT_FSIZE, limit + _ROOM),
        (resource.RLIMIT_CPU, int(LONGEST)),
        (resource.RLIMIT_NOFILE, _MOST_FILES),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        bound = min(most, _UNBOUNDED if hard == resource.RLIM_INFINITY else hard)
        resource.setrlimit(kind, (bound, bound))


def _words(window: Window, budget: Budget) -> tuple[str, ...]:
    return str(window.path.absolute()), str(window.start), str(window.size), str(budget.limit)


def _environment() -> dict[str, str]:
    """So that the child finds this very package, wherever it was imported from, and numpy starts no threads in it."""
    root = str(Path(__file__).parents[3])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
    return os.environ | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}


def _told(tensor: StoredTensor, values: Path) -> list[Any]:
    """Name, shape, dtype, whether it is among the values, and where."""
    assert tensor.extent is not None
    spec = tensor.spec
    return [spec.name, list(spec.shape), spec.dtype, tensor.extent.path == values, tensor.extent.offset]


def _received(window: Window, result: dict[str, Any], values: Path) -> tuple[str, dict[str, StoredTensor]]:
    if "error" in result:
        raise CheckpointError(result["error"])
    mapped = np.memmap(values, np.uint8, "r") if values.exists() else np.empty(0, np.uint8)
    tensors = {}
    for name, lengths, dtype, unpacked, offset in result["tensors"]:
        spec = TensorSpec(name, tuple(lengths), dtype)
        if unpacked:
            tensors[name] = StoredTensor(spec=spec, unpack=partial(_view, mapped, offset, spec))
        else:
            extent = Extent.dense(window.path, offset, spec.shape, dtype)
            tensors[name] = StoredTensor(spec=spec, extent=extent)
    return result["kind"], tensors


def _view(mapped: Array, offset: int, spec: TensorSpec) -> Array:
    return np.ndarray(spec.shape, STORAGE[spec.dtype], mapped, offset)
