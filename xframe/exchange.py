"""Arrays between processes: one flat file a message, mapped by the receiver, never pickled. Needs numpy only."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from xframe.tensors import STORAGE, Array, Extent

ALIGNMENT = 64
Message = tuple[str, int, tuple[int, ...], str, tuple[int, ...]]
_counter = itertools.count()


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
            # Any: it is a buffer, though its type hides it
            dense: Any = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            file.write(dense)
    return placed


def _check(name: str, array: Array, dtype: str) -> None:
    if dtype not in STORAGE or array.dtype != STORAGE[dtype]:
        raise ValueError(
            f"'{name}' cannot travel: its dtype is {dtype}, stored as {array.dtype.str}; known: {', '.join(STORAGE)}"
        )


def get(message: Any) -> Array:
    """A read-only view of the array that ``put`` placed. Raises ValueError for one that lies outside its file."""
    return Extent.from_message(message).map()
