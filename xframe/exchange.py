"""Arrays between processes: one flat file a message, mapped by the receiver, never pickled. Needs numpy only."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np

from xframe.tensors import STORAGE, Array, Extent

ALIGNMENT = 64
Message = tuple[str, int, tuple[int, ...], str, tuple[int, ...]]
_counter = itertools.count()


class Stream:
    """A new file below ``folder`` that arrays are written into one by one, as they come. A context manager."""

    def __init__(self, folder: Path, owner: str) -> None:
        self._path = folder / f"{owner}-{next(_counter)}.arrays"
        self._file = self._path.open("xb")
        self.placed: list[tuple[str, Message]] = []  # name and place of each array so far

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, name: str, array: Array, dtype: str) -> None:
        """Write a stored array. Raises ValueError for one that is not in its dtype's storage."""
        _check(name, array, dtype)
        self._file.write(bytes(-self._file.tell() % ALIGNMENT))
        self.placed.append((name, Extent.dense(self._path, self._file.tell(), array.shape, dtype).to_message()))
        # Any: it is a buffer, though its type hides it
        dense: Any = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        self._file.write(dense)

    def all(self, arrays: Iterable[Array]) -> list[tuple[str, Message]]:
        """Write arrays of numpy's own dtypes without names; where each went."""
        before = len(self.placed)
        for array in arrays:
            self.add("", array, array.dtype.name)
        return self.placed[before:]


def put(folder: Path, owner: str, arrays: Iterable[tuple[str, Array, str]]) -> list[tuple[str, Message]]:
    """Write ``(name, stored array, dtype name)`` into a new file below ``folder``; return name and place of each.

    Raises ValueError for an array that is not in its dtype's storage.
    """
    with Stream(folder, owner) as stream:
        for name, array, dtype in arrays:
            stream.add(name, array, dtype)
    return stream.placed


def _check(name: str, array: Array, dtype: str) -> None:
    if dtype not in STORAGE or array.dtype != STORAGE[dtype]:
        raise ValueError(
            f"'{name}' cannot travel: its dtype is {dtype}, stored as {array.dtype.str}; known: {', '.join(STORAGE)}"
        )


def get(message: Any) -> Array:
    """A read-only view of the array that ``put`` placed. Raises ValueError for one that lies outside its file."""
    return Extent.from_message(message).map()
