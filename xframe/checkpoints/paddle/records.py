"""Tensors as Paddle's C++ writes them, end to end and without names: .pdiparams, and paddle.save's binary format.

A record is u32 0 | u64 LoD levels | (u64 bytes, data) per level | u32 0 | i32 length | VarType.TensorDesc | raw, little
endian (paddle/phi/core/framework/dense_tensor_serialize.cc and dense_tensor_tostream.cc, framework.proto).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from xframe.checkpoints.protobuf import Message, Span
from xframe.checkpoints.refusals import refusal, shown
from xframe.checkpoints.shapes import MOST_AXES, dense_bytes, is_shape
from xframe.errors import CheckpointError

# VarType.Type in framework.proto.
DTYPES: Mapping[int, str] = MappingProxyType(
    {
        0: "bool", 1: "int16", 2: "int32", 3: "int64", 4: "float16", 5: "float32", 6: "float64", 20: "uint8",
        21: "int8", 22: "bfloat16", 23: "complex64", 24: "complex128", 32: "float8_e4m3fn", 33: "float8_e5m2",
        36: "uint16", 37: "uint32", 38: "uint64",
    }
)  # fmt: skip
_DTYPE, _DIMS = 1, 2
_MOST_LEVELS = 16
_LARGEST_DESC = 2 + 11 * MOST_AXES
_HEAD = struct.Struct("<IQ")
_LEVEL = struct.Struct("<Q")
_TENSOR = struct.Struct("<Ii")


@dataclass(frozen=True, slots=True)
class Described:
    """A dtype and a shape, as a record or a program says them."""

    dtype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


@dataclass(frozen=True, slots=True)
class Record:
    """One tensor: what it is, where its bytes start, how many LoD levels lie before it."""

    described: Described
    offset: int
    levels: int

    @property
    def end(self) -> int:
        return self.offset + dense_bytes(self.described.shape, self.described.dtype)


def looks_like_records(head: bytes) -> bool:
    """Whether a file's head is that of a record: there is no magic number, but 4 zeros, few LoD levels, a desc."""
    if len(head) < _HEAD.size:
        return False
    version, levels = _HEAD.unpack_from(head)
    if version or levels > _MOST_LEVELS:
        return False
    if levels:
        return True
    if len(head) < _HEAD.size + _TENSOR.size:
        return False
    version, length = _TENSOR.unpack_from(head, _HEAD.size)
    return version == 0 and 2 <= length <= _LARGEST_DESC and head[_HEAD.size + _TENSOR.size :][:1] == b"\x08"


class Records:
    """Reads one record after another; raises CheckpointError for one that is cut off or not what it should be."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.file, self.path = file, path
        self.size = os.fstat(file.fileno()).st_size
        self.position = 0

    @property
    def at_end(self) -> bool:
        return self.position == self.size

    def next(self) -> Record:
        start = self.position
        version, levels = _HEAD.unpack(self._take(_HEAD.size))
        if version or levels > _MOST_LEVELS:
            raise self._refuse(start, f"a tensor of version 0 with at most {_MOST_LEVELS} LoD levels", "another")
        for _ in range(levels):
            (length,) = _LEVEL.unpack(self._take(_LEVEL.size))
            self._skip(length)
        described = self._described(start)
        record = Record(described, self.position, levels)
        self._skip(record.end - record.offset)
        return record

    def _described(self, start: int) -> Described:
        version, length = _TENSOR.unpack(self._take(_TENSOR.size))
        if version or not 0 < length <= _LARGEST_DESC:
            raise self._refuse(start, f"a description of 1 to {_LARGEST_DESC} bytes", f"{length}")
        span = Span.whole(memoryview(self._take(length)), f"{self.path}: the description at byte {start}")
        return described(span.message({_DTYPE, _DIMS}))

    def _take(self, length: int) -> bytes:
        self.file.seek(self.position)
        self._skip(length)
        data = self.file.read(length)
        if len(data) != length:
            raise refusal(self.path, expected="a file at rest", found="one that shrinks", attempt="again later")
        return data

    def _skip(self, length: int) -> None:
        if length > self.size - self.position:
            raise self._refuse(self.position, f"{length} more bytes", f"{self.size - self.position}: it is cut off")
        self.position += length

    def _refuse(self, position: int, expected: str, found: str) -> CheckpointError:
        return refusal(f"{self.path}, byte {position}", expected=expected, found=found)


def described(tensor: Message) -> Described:
    """What a VarType.TensorDesc says. Raises CheckpointError for a dtype or a shape that no tensor has."""
    code = tensor.integer(_DTYPE, -1)
    shape = tensor.integers(_DIMS, MOST_AXES)
    if code not in DTYPES:
        raise tensor.span.refuse("a dtype of a tensor", f"type {code}")
    if not is_shape(shape):
        raise tensor.span.refuse("a shape", shown(list(shape)))
    return Described(DTYPES[code], shape)
