"""What a tensor is called, how large it is, where its bytes lie. Needs numpy alone, as the workers do."""

from __future__ import annotations

import ctypes
import math
import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# A dtype's name in xframe → the numpy dtype that stores its bits. numpy has no bfloat16 and no float8: they travel as
# bits of the same width, and only a consumer that knows the name may read them as numbers.
STORAGE: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        **{
            name: np.dtype(name)
            for name in (
                "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
                "float16", "float32", "float64", "complex64", "complex128",
            )
        },
        "bfloat16": np.dtype("uint16"),
        "float8_e4m3fn": np.dtype("uint8"),
        "float8_e5m2": np.dtype("uint8"),
    }
)  # fmt: skip
FLOATS = ("float8_e4m3fn", "float8_e5m2", "bfloat16", "float16", "float32", "float64")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor without its values: state-dict name, shape, and dtype by name (a key of ``STORAGE``)."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of the dense tensor in bytes."""
        return self.numel * STORAGE[self.dtype].itemsize

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}{list(self.shape)}"


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a tensor's bytes lie in a file: little-endian, ``strides`` in bytes, first element at ``offset``."""

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: str
    strides: tuple[int, ...]

    @classmethod
    def dense(cls, path: Path, offset: int, shape: tuple[int, ...], dtype: str, *, order: str = "C") -> Extent:
        """An extent without gaps, in C order (rows last) or Fortran order (rows first)."""
        axes = shape if order == "F" else shape[::-1]
        strides, step = [], STORAGE[dtype].itemsize
        for length in axes:
            strides.append(step)
            step *= length
        return cls(path, offset, shape, dtype, tuple(strides if order == "F" else strides[::-1]))

    @property
    def end(self) -> int:
        """One past the last byte that the tensor touches."""
        if 0 in self.shape:
            return self.offset
        last = sum((length - 1) * stride for length, stride in zip(self.shape, self.strides, strict=True))
        return self.offset + last + STORAGE[self.dtype].itemsize

    def map(self) -> Array:
        """The tensor as a read-only view of the file, in the storage dtype; no byte is read before it is used.

        Raises ValueError for an extent that lies outside its file.
        """
        storage = STORAGE[self.dtype]
        if 0 in self.shape:
            return np.empty(self.shape, storage)
        whole = _mapped_whole(self.path)
        if self.offset < 0 or min(self.strides, default=0) < 0 or self.end > whole.size:
            raise ValueError(f"{self.path}: bytes {self.offset}..{self.end} lie outside the file")
        return np.ndarray(self.shape, storage, whole, self.offset, self.strides)

    def to_message(self) -> tuple[str, int, tuple[int, ...], str, tuple[int, ...]]:
        """The extent as plain values, for a message to another process."""
        return str(self.path), self.offset, self.shape, self.dtype, self.strides

    @classmethod
    def from_message(cls, message: tuple[str, int, tuple[int, ...], str, tuple[int, ...]]) -> Extent:
        path, offset, shape, dtype, strides = message
        return cls(Path(path), offset, tuple(shape), dtype, tuple(strides))


class _Mapping(mmap.mmap):
    """A file's pages, mapped; a class of our own because a plain mmap cannot be referred to weakly."""


# All tensors of a file share one mapping of it: each mapping holds a file descriptor, and models have more tensors than
# a process may have descriptors. A mapping goes when its last tensor does.
_mapped: WeakValueDictionary[tuple[Any, ...], _Mapping] = WeakValueDictionary()


def _mapped_whole(path: Path) -> Array:
    status = path.stat()
    key = (path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    mapping = _mapped.get(key)
    if mapping is None:
        with path.open("rb") as file:
            mapping = _mapped[key] = _Mapping(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(mapping, np.uint8)


# The C library's, for mmap's own keeps the interpreter's lock: a millisecond in which no other thread goes on.
_madvise = ctypes.CDLL(None, use_errno=True).madvise
_madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def release(array: Array) -> None:
    """Gives back the memory that the pages of a mapped array take in this process; a later look reads them again.

    Nothing happens to an array that is not mapped by ``Extent.map``.
    """
    base: Any = array
    while base is not None and not isinstance(base, _Mapping):
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    if base is None or array.size == 0:
        return
    low, high = np.lib.array_utils.byte_bounds(array)
    start = low - low % mmap.PAGESIZE
    if _madvise(start, high - start, mmap.MADV_DONTNEED) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
