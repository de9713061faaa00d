"""Arrays between processes: one flat file a message, mapped by the receiver, never pickled. Needs numpy only."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from xframe.tensors import Array, Extent

ALIGNMENT = 64
Message = tuple[str, int, tuple[int, ...], str, tuple[int, ...]]
_counter = itertools.count()


def put(folder: Path, owner: str, arrays: Iterable[tuple[str, Array, str]]) -> list[tuple[str, Message]]:
    """Write ``(name, stored array, dtype name)`` into a new file below ``folder``; return name and place of each."""
    path = folder / f"{owner}-{next(_counter)}.arrays"
    placed = []
    with path.open("xb") as file:
        for name, array, dtype in arrays:
            file.write(bytes(-file.tell() % ALIGNMENT))
            placed.append((name, Extent.dense(path, file.tell(), array.shape, dtype).to_message()))
            # Any: it is a buffer, though numpy's types hide it
            dense: Any = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            file.write(dense)
    return placed


def get(message: Any) -> Array:
    """Map the array that ``put`` placed."""
    return Extent.from_message(message).map()
