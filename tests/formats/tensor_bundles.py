"""Tensor bundles and object graphs built byte by byte, sound ones and others."""

import struct

import numpy as np
import pytest

from xframe import checkpoints
from xframe.checkpoints.budget import AMPLE
from xframe.checkpoints.tensorflow import table
from xframe.checkpoints.tensorflow.crc32c import crc32c, masked
from xframe.errors import CheckpointError

DATA = np.arange(12, dtype="f4").tobytes()
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
ENDING = ".data-00000-of-00001"
GRAPH = b"_CHECKPOINTABLE_OBJECT_GRAPH"


def checksum(data):
    return masked(crc32c(np.frombuffer(data, np.uint8)))


def varint(value):
    data = b""
    while value >= 0x80:
        data, value = data + bytes([value & 0x7F | 0x80]), value >> 7
    return data + bytes([value])


def integer(number, value):
    return varint(number << 3) + varint(value % 2**64)


def message(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def header(shards=1, endianness=0, needed=0):
    version = message(3, integer(1, 1) + integer(2, needed))
    return integer(1, shards) + integer(2, endianness) + version


def shaped(*lengths):
    return b"".join(message(2, integer(1, length)) for length in lengths)


def record(*lengths, dtype=1, shard=0, offset=0, size=None, crc=None, data=DATA, rest=b""):
    size = 4 * int(np.prod(lengths)) if size is None else size
    crc = checksum(data[offset : offset + size]) if crc is None else crc
    places = integer(3, shard) + integer(4, offset) + integer(5, size)
    return (
        integer(1, dtype) + message(2, shaped(*lengths)) + places + varint(6 << 3 | 5) + struct.pack("<I", crc) + rest
    )


def sealed(content, kind=0):
    return content + bytes([kind]) + struct.pack("<I", checksum(content + bytes([kind])))


def block(entries, restarts=(0,)):
    """Entries ``(key, value)``, or ``(shared, rest of the key, value)``."""
    content = b""
    for key, value in (entry if len(entry) == 2 else (entry[:2], entry[2]) for entry in entries):
        shared, rest = key if isinstance(key, tuple) else (0, key)
        content += varint(shared) + varint(len(rest)) + varint(len(value)) + rest + value
    return content + struct.pack(f"<{len(restarts)}I", *restarts) + struct.pack("<I", len(restarts))


def framed(blocks, metaindex=None, kinds=(), shift=0):
    """A whole table of these blocks."""
    content, handles = b"", []
    metaindex = metaindex or block([])
    for number, data in enumerate([*blocks, metaindex]):
        handles.append(varint(len(content) + (shift if number == len(blocks) - 1 else 0)) + varint(len(data)))
        content += sealed(data, kinds[number] if number < len(kinds) else 0)
    index = block([(bytes([number]), handle) for number, handle in enumerate(handles[:-1])])
    footer = handles[-1] + varint(len(content)) + varint(len(index))
    return content + sealed(index) + footer.ljust(40, b"\0") + table.MAGIC


def bundle(folder, records, data=DATA, head=None, **options):
    """``model.index`` of these records, and its data file."""
    entries = [(b"", header() if head is None else head), *records]
    (folder / "model.data-00000-of-00001").write_bytes(data)
    (folder / "model.index").write_bytes(framed([block(entries)], **options))
    return folder / "model.index"


def extent(start, length):
    return message(1, integer(1, start) + (integer(2, length) if length is not None else b""))


def sliced(*lengths, slices):
    parts = b"".join(message(7, b"".join(extent(*axis) for axis in part)) for part in slices)
    return integer(1, 1) + message(2, shaped(*lengths)) + parts


def key_of(name, start, length, column=b"\x7f"):
    """A slice of rows; every column, or the columns from 0 on that the ordered code of ``column`` says."""
    return b"\0" + name + b"\0\1\1\2" + bytes([0x80 + start, 0x80 + length, 0x80]) + column


def text(data, crc=None, told=None, inner=None):
    """A tensor of one text and its checksum."""
    length = struct.pack("<I", len(data))
    middle = struct.pack("<I", checksum(length) if inner is None else inner)
    whole = varint(len(data) if told is None else told) + middle + data
    return whole, checksum(length + middle + data) if crc is None else crc


def node(*children, attributes=(), slots=0):
    edges = b"".join(message(1, integer(1, index) + message(2, name.encode())) for name, index in children)
    held = b"".join(
        message(2, message(2, name.encode()) + message(3, f"{key}{SUFFIX}".encode())) for key, name in attributes
    )
    return message(1, edges + held + message(3, integer(1, 0)) * slots)


def with_graph(folder, graph, keys, packed=None):
    """A bundle of scalars under object paths, with a graph of objects."""
    packed, crc = packed or text(graph)
    records = [(GRAPH, record(dtype=7, offset=48, size=len(packed), crc=crc))]
    records += [(f"{key}{SUFFIX}".encode(), record(offset=4 * index)) for index, key in enumerate(sorted(keys))]
    return bundle(folder, records, DATA + packed)


def used(path, budget=AMPLE):
    """Reads a bundle and uses every tensor of it."""
    return [tensor.array() for tensor in checkpoints.read(path, budget).tensors.values()]


def refuse(path, match, budget=AMPLE):
    with pytest.raises(CheckpointError, match=match) as raised:
        used(path, budget)
    assert "model" in str(raised.value)
    assert str(raised.value).isprintable()
