"""Arrays between processes: one flat file a message, mapped by the receiver, never pickled. Needs numpy only."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from xframe.tensors import STORAGE, Array, Extent

ALIGNMENT = 64
Message = tuple[str, int, tuple[int, ...], str, tuple[int, ...]]
_counter = itertools.count()
_mapped: WeakValueDictionary[tuple[Any, ...], Array] = WeakValueDictionary()  # files of which an array is in use


def put(folder: Path, owner: str, arrays: Iterable[tuple[str, Array, str]]) -> list[tuple[str, Message]]:
    """Write ``(name, stored array, dtype name)`` into a new file below ``folder``; return name and place of each.

    Raises ValueError for an array that is not in its dtype's storage.
    """
    path = folder / f"{owner}-{next(_counter)}.arrays"
    placed = []
    with path.open("xb") as file:
        for name, array, dtype in arrays:
            _check(name, array, dtype)
            file.write(bytes(-file.tell() % ALIGNMENT))
            placed.append((name, Extent.dense(path, file.tell(), array.shape, dtype).to_message()))
            dense: Any = (
                np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            )  # Any: a buffer, though its type hides it
            file.write(dense)
    return placed


def _check(name: str, array: Array, dtype: str) -> None:
    if dtype not in STORAGE or array.dtype != STORAGE[dtype]:
        raise ValueError(
            f"'{name}' cannot travel: its dtype is {dtype}, stored as {array.dtype.str}; known: {', '.join(STORAGE)}"
        )


def get(message: Any) -> Array:
    """A read-only view of the array that ``put`` placed. numpy raises for one that lies outside its file.

    All arrays of a file share one mapping of it: each mapping holds a file descriptor, and models have more tensors
    than a process may have descriptors.
    """
    extent = Extent.from_message(message)
    storage = STORAGE[extent.dtype]
    if 0 in extent.shape:
        return np.empty(extent.shape, storage)
    return np.ndarray(extent.shape, storage, _map(extent.path), extent.offset, extent.strides)


def _map(path: Path) -> Array:
    status = path.stat()
    key = (path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    whole = _mapped.get(key)
    if whole is None:
        whole = _mapped[key] = np.memmap(path, np.uint8, "r")
    return whole
