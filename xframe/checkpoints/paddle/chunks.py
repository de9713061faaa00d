"""Arrays of over 1 GiB, which Paddle cuts into pieces for pickle protocols 2 and 3.

Array ``key`` is filed as ``key@@.0``, ``key@@.1`` … and the table ``UnpackBigParamInfor@@`` (sic) maps it to its
``OriginShape`` and ``slices``. Nothing is trusted: the pieces must be those, in that order, and fill the shape exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xframe.checkpoints.model import StoredTensor
from xframe.checkpoints.pickles.arrays import PickledArray
from xframe.checkpoints.refusals import refusal, shown
from xframe.checkpoints.shapes import is_shape
from xframe.errors import CheckpointError
from xframe.tensors import Array, TensorSpec

TABLE = "UnpackBigParamInfor@@"


@dataclass(frozen=True, slots=True)
class ChunkedArray:
    """An array in pieces, each of one axis and the same dtype."""

    shape: tuple[int, ...]
    pieces: tuple[PickledArray, ...]

    def stored(self, name: str, path: Path) -> StoredTensor:
        """The pieces, to be joined when they are asked for: such an array has no one place in the file."""

        def joined() -> Array:
            return np.concatenate([piece.stored(name, path).array() for piece in self.pieces]).reshape(self.shape)

        return StoredTensor(spec=TensorSpec(name, self.shape, self.pieces[0].dtype), unpack=joined)


def join(tree: dict[object, object], place: str) -> None:
    """Replaces, in the top level of a state dict, the pieces of every array by the array."""
    table = tree.pop(TABLE, {})
    if type(table) is not dict:
        raise _broken(place, TABLE)
    for key, entry in table.items():
        tree[key] = _joined(tree, key, entry, place)


def _joined(tree: dict[object, object], key: object, entry: object, place: str) -> ChunkedArray:
    match entry:
        case {"OriginShape": shape, "slices": [*names], **others} if not others and is_shape(shape) and key not in tree:
            if not names or names != [f"{key}@@.{index}" for index in range(len(names))]:
                raise _broken(place, key)
            pieces = tuple(
                piece for piece in (tree.pop(name, None) for name in names) if isinstance(piece, PickledArray)
            )
            if len(pieces) == len(names) and _fill(pieces, shape):
                return ChunkedArray(shape, pieces)
    raise _broken(place, key)


def _fill(pieces: tuple[PickledArray, ...], shape: tuple[int, ...]) -> bool:
    one_axis = all(len(piece.shape) == 1 and piece.dtype == pieces[0].dtype for piece in pieces)
    return one_axis and sum(piece.shape[0] for piece in pieces) == math.prod(shape)


def _broken(place: str, key: object) -> CheckpointError:
    return refusal(place, expected="a table of pieces, each there once and in order", found=f"another for {shown(key)}")
