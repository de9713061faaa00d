"""The few opcodes that our own pickles are written with, so that a state dict can be written tensor by tensor.

All are of protocol 2 but BINBYTES8 (protocol 4), so only that one ever needs more than ``PROTO 2``.
"""

from __future__ import annotations

import struct

MARK, TUPLE, EMPTY_DICT = b"(", b"t", b"}"
REDUCE, BUILD, SETITEMS, STOP, BINPERSID = b"R", b"b", b"u", b".", b"Q"
NONE, FALSE, TRUE = b"N", b"\x89", b"\x88"


def proto(version: int) -> bytes:
    """The protocol that the pickle is of."""
    return b"\x80" + bytes([version])


def global_(module: str, name: str) -> bytes:
    """A module's attribute."""
    return f"c{module}\n{name}\n".encode("ascii")


def text(value: str) -> bytes:
    """Text, in UTF-8."""
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def integer(value: int, width: int = 0) -> bytes:
    """``value`` in at least ``width`` bytes, two's complement: LONG1 may be wider than it must, and so can pad."""
    width = max(width, value.bit_length() // 8 + 1)
    return b"\x8a" + bytes([width]) + value.to_bytes(width, "little", signed=True)


def tuple_(*parts: bytes) -> bytes:
    """A tuple of what ``parts`` push."""
    return MARK + b"".join(parts) + TUPLE


def integers(values: tuple[int, ...]) -> bytes:
    """A tuple of integers."""
    return tuple_(*map(integer, values))


def binbytes8(length: int) -> bytes:
    """What stands before ``length`` raw bytes."""
    return b"\x8e" + struct.pack("<Q", length)
