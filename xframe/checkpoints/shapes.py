"""Whether numbers out of an untrusted file are a tensor's shape, asked before anything of that size is allocated."""

from __future__ import annotations

import math
from typing import TypeGuard

from xframe.tensors import STORAGE

MOST_AXES = 64  # numpy's bound
_MOST_BYTES = 2**63 - 1


def is_shape(value: object) -> TypeGuard[tuple[int, ...]]:
    """A tuple of lengths that numpy can address, were every element 16 bytes wide and no length zero."""
    if type(value) is not tuple or len(value) > MOST_AXES or not all(is_length(length) for length in value):
        return False
    numel: int = math.prod(max(length, 1) for length in value)
    return numel <= _MOST_BYTES // 16


def is_length(value: object) -> TypeGuard[int]:
    """A count or an offset: an integer that is not a bool, not negative, and within 63 bits."""
    return type(value) is int and 0 <= value <= _MOST_BYTES


def dense_bytes(shape: tuple[int, ...], dtype: str) -> int:
    """Size in bytes of a tensor without gaps."""
    return math.prod(shape) * STORAGE[dtype].itemsize


def numpy_name(code: str) -> str | None:
    """The dtype called ``code`` by numpy (``f4``, ``b1`` …), by xframe's name; None if no tensor has it."""
    return _BY_CODE.get(code)


# numpy stores no bfloat16 and no float8: a code never means them.
_BY_CODE = {kind.str[1:]: name for name, kind in STORAGE.items() if kind.name == name}
