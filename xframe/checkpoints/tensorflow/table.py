"""The sorted table that a bundle's .index is: LevelDB's format in TensorFlow's own copy, never compressed.

Data blocks, a metaindex block, an index block, a footer of 48 bytes, end to end. A block is entries whose keys share
prefixes, offsets of those that share none, their count, one byte of compression, a masked CRC-32C. Sources:
tensorflow/core/lib/io/{format,block,table_builder}.cc.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xframe.checkpoints.protobuf import Span
from xframe.checkpoints.refusals import refusal
from xframe.checkpoints.tensorflow.crc32c import crc32c, masked
from xframe.checkpoints.tree import MOST_LETTERS, MOST_NODES

MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)
_FOOTER, _TRAILER = 48, 5
_LONGEST_VARINT = 10
_COMPRESSIONS = {1: "snappy", 2: "zlib"}


@dataclass(frozen=True, slots=True)
class _Handle:
    offset: int
    size: int

    @property
    def end(self) -> int:
        return self.offset + self.size + _TRAILER


def entries(data: memoryview, place: str) -> Iterator[tuple[bytes, Span]]:
    """Every key and its value, in order. Raises CheckpointError unless blocks tile the file and keys ascend."""
    footer = len(data) - _FOOTER
    if footer < 0 or data[-len(MAGIC) :] != MAGIC:
        raise refusal(place, expected="a table's footer at its end", found="other bytes")
    metaindex, position = _handle(data, footer, place)
    index, _ = _handle(data, position, place)
    blocks = [_handle(value.data, value.start, place)[0] for _, value in _block(data, index, place)]
    _check_tiling([*blocks, metaindex, index], footer, place)
    if any(True for _ in _block(data, metaindex, place)):
        raise refusal(place, expected="a metaindex without entries", found="a filter or other")
    previous, count, letters = None, 0, 0
    for block in blocks:
        for key, value in _block(data, block, place):
            count, letters = count + 1, letters + len(key)
            if count > MOST_NODES or letters > MOST_LETTERS:
                raise refusal(place, expected=f"at most {MOST_NODES} entries", found="more, or names without end")
            if previous is not None and key <= previous:
                raise refusal(place, expected="keys that ascend", found="one that does not")
            previous = key
            yield key, value


def _check_tiling(handles: list[_Handle], footer: int, place: str) -> None:
    position = 0
    for handle in handles:
        if handle.offset != position:
            raise refusal(place, expected=f"a block at byte {position}", found=f"one at {handle.offset}")
        position = handle.end
    if position != footer:
        raise refusal(place, expected=f"the footer at byte {position}", found=f"it at {footer}")


def _block(data: memoryview, handle: _Handle, place: str) -> Iterator[tuple[bytes, Span]]:
    """The entries of a block, its checksum and its restart points held to what is there."""
    end = handle.offset + handle.size
    if handle.size < 4 or handle.end > len(data) - _FOOTER:
        raise refusal(place, expected="a block in the file", found=f"{handle.size} bytes at {handle.offset}")
    kind, checksum = struct.unpack_from("<BI", data, end)
    if masked(crc32c(np.frombuffer(data[handle.offset : end + 1], np.uint8))) != checksum:
        raise refusal(place, expected=f"a block with the CRC-32C {checksum:08x}", found="other bytes")
    if kind:
        found = f"one of compression {_COMPRESSIONS.get(kind, str(kind))}, which TensorFlow writes into no checkpoint"
        raise refusal(place, expected="a block that is not compressed", found=found)
    count = int.from_bytes(data[end - 4 : end], "little")
    first = end - 4 - 4 * count
    if first < handle.offset or not count:
        raise refusal(place, expected="restart points in the block", found=f"{count} in {handle.size} bytes")
    restarts = set(np.frombuffer(data[first : end - 4], "<u4").tolist())
    key, position = b"", handle.offset
    while position < first:
        start = position - handle.offset
        shared, position = _varint(data, position, first, place)
        unshared, position = _varint(data, position, first, place)
        length, position = _varint(data, position, first, place)
        if shared > len(key) or unshared + length > first - position or (start in restarts and shared):
            raise refusal(f"{place}, byte {position}", expected="an entry of the block", found="one that leads out")
        restarts.discard(start)
        key = key[:shared] + bytes(data[position : position + unshared])
        position += unshared + length
        yield key, Span(data, position - length, position, place)
    if restarts - {0}:
        raise refusal(place, expected="restart points where entries start", found="others")


def _handle(data: memoryview, position: int, place: str) -> tuple[_Handle, int]:
    offset, position = _varint(data, position, len(data), place)
    size, position = _varint(data, position, len(data), place)
    return _Handle(offset, size), position


def _varint(data: memoryview, position: int, end: int, place: str) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[position : min(position + _LONGEST_VARINT, end)]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise refusal(f"{place}, byte {position}", expected="an integer", found="one that is longer or cut off")
