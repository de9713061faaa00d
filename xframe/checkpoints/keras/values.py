"""Values that lie in no place of their own in an HDF5 file, unpacked into one scratch file, a chunk at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from xframe.checkpoints.budget import Budget
from xframe.tensors import STORAGE, Extent, TensorSpec

_ALIGNMENT = 64
CHUNK_COPIES = 4  # as stored, before and behind a filter, as an array


class Values:
    """The scratch file: tensor behind tensor, at multiples of 64 bytes, at most ``budget`` in all.

    Nothing is flushed to the disk: who maps the file next sees the same pages, and nobody needs them after that.
    """

    def __init__(self, path: Path, budget: Budget) -> None:
        self.path = path
        self._budget = budget
        self._size = 0

    def take(self, place: str, spec: TensorSpec, dataset: Any) -> Extent:
        """Where the dataset's values are now. Raises CheckpointError before they take more than the budget."""
        offset = -(-self._size // _ALIGNMENT) * _ALIGNMENT
        storage = STORAGE[spec.dtype]
        self._budget.check(place, offset + spec.nbytes)
        self._budget.check(place, CHUNK_COPIES * math.prod(dataset.chunks or ()) * storage.itemsize)
        with self.path.open("ab") as file:
            file.truncate(offset + spec.nbytes)
        target = np.memmap(self.path, storage, "r+", offset, spec.shape)
        for part in _parts(dataset):
            target[part] = np.asarray(dataset[part], order="C").view(storage)
        self._size = offset + spec.nbytes
        return Extent.dense(self.path, offset, spec.shape, spec.dtype)


def _parts(dataset: Any) -> Iterator[Any]:
    """Its chunks; a dataset without any lies in its own header, which HDF5 bounds by 64 KiB."""
    return dataset.iter_chunks() if dataset.chunks else iter([...])
