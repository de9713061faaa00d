"""The records in a bundle's table: the header, and for every tensor its dtype, shape and place in a data file.

tensorflow/core/protobuf/tensor_bundle.proto; the slices' keys: tensorflow/core/util/saved_tensor_slice_util.cc.
"""

from __future__ import annotations

from dataclasses import dataclass

from xframe.checkpoints.protobuf import Span, signed
from xframe.checkpoints.refusals import refusal, shown
from xframe.checkpoints.shapes import MOST_AXES, is_shape

# tensorflow/core/framework/types.proto
DTYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 8: "complex64", 9: "int64", 10: "bool",
    14: "bfloat16", 17: "uint16", 18: "complex128", 19: "float16", 22: "uint32", 23: "uint64",
    24: "float8_e5m2", 25: "float8_e4m3fn",
}  # fmt: skip
STRING = 7
NO_TENSORS = {STRING: "text", 20: "a resource", 21: "a variant"}
_VERSION = 1
_MOST_SLICES = 10_000
WHOLE = (0, -1)  # the start and length of a slice that takes a whole axis

Slice = tuple[tuple[int, int], ...]  # for every axis


@dataclass(frozen=True, slots=True)
class Entry:
    """A tensor's record. ``size`` in bytes; ``crc`` the masked CRC-32C; ``slices`` of a tensor that lies in parts."""

    name: str
    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    crc: int
    slices: tuple[Slice, ...]


def shard_count(header: Span) -> int:
    """How many data files there are. Raises CheckpointError for a bundle that is not little-endian or of the future."""
    integers, messages = _split(header, "the bundle's header")
    needed = _split(messages[3][-1], "its version")[0].get(2, 0) if 3 in messages else 0
    if integers.get(2, 0):
        raise refusal(header.place, expected="a little-endian bundle", found="a big-endian one")
    if needed > _VERSION:
        raise refusal(header.place, expected=f"version {_VERSION}", found=f"one for readers of version {needed}")
    count = integers.get(1, 0)
    if not 0 < count < 2**31:
        raise refusal(header.place, expected="a number of data files", found=f"{signed(count)}")
    return count


def entry(name: str, value: Span) -> Entry:
    """The record ``value`` of the tensor ``name``."""
    place = f"{value.place}: {shown(name)}"
    integers, messages = _split(value, place)
    shape = _shape(messages[2][-1], place) if 2 in messages else ()
    slices = messages.get(7, [])
    if len(slices) > _MOST_SLICES:
        raise refusal(place, expected=f"at most {_MOST_SLICES} slices", found=f"{len(slices)}")
    found = Entry(
        name=name,
        dtype=integers.get(1, 0),
        shape=shape,
        shard=integers.get(3, 0),
        offset=integers.get(4, 0),
        size=integers.get(5, 0),
        crc=integers.get(6, 0),
        slices=tuple(_slice(part, shape, place) for part in slices),
    )
    if max(found.shard, found.offset, found.size) >= 2**63:
        raise refusal(place, expected="a place in a data file", found="a negative one")
    return found


def slice_key(name: str, part: Slice) -> bytes:
    """Under which key a slice's own record lies: 0, the name, the rank, each start and length, in an ordered code."""
    head = b"\x00" + name.encode().replace(b"\x00", b"\x00\xff") + b"\x00\x01" + _unsigned(len(part))
    return head + b"".join(_signed(number) for extent in part for number in extent)


def _unsigned(value: int) -> bytes:
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([len(data)]) + data


def _signed(value: int) -> bytes:
    """As tensorflow/core/lib/strings/ordered_code.cc writes it: the number of leading ones is the length in bytes."""
    magnitude = value if value >= 0 else ~value
    length = magnitude.bit_length() // 7 + 1
    data = bytearray(value.to_bytes(10, "big", signed=True)[10 - length :])
    header = ((1 << length) - 1 << (16 - length)).to_bytes(2, "big")
    data[0] ^= header[0]
    if length > 1:
        data[1] ^= header[1]
    return bytes(data)


def _shape(message: Span, place: str) -> tuple[int, ...]:
    integers, messages = _split(message, place)
    axes = messages.get(2, [])
    if integers.get(3, 0) or len(axes) > MOST_AXES:
        raise refusal(place, expected="a tensor's shape", found=f"one of unknown rank or of {len(axes)} axes")
    shape = tuple(signed(_split(axis, place)[0].get(1, 0)) for axis in axes)
    if not is_shape(shape):
        raise refusal(place, expected="a tensor's shape", found=f"{shown(list(shape))}")
    return shape


def _slice(message: Span, shape: tuple[int, ...], place: str) -> Slice:
    """Starts and lengths; an axis of no length is taken whole."""
    extents = _split(message, place)[1].get(1, [])
    if len(extents) != len(shape):
        raise refusal(place, expected=f"slices of {len(shape)} axes", found=f"one of {len(extents)}")
    part = []
    for extent, axis in zip(extents, shape, strict=True):
        integers = _split(extent, place)[0]
        start, length = signed(integers.get(1, 0)), signed(integers[2]) if 2 in integers else None
        if length is None and start == 0:
            part.append(WHOLE)
        elif length is not None and min(start, length) >= 0 and start + length <= axis:
            part.append((start, length))
        else:
            raise refusal(place, expected=f"slices of {list(shape)}", found=f"{length} from {start} on")
    return tuple(part)


def _split(message: Span, place: str) -> tuple[dict[int, int], dict[int, list[Span]]]:
    """A message's integers, of which the last one counts, and its longer fields. No field is both."""
    integers: dict[int, int] = {}
    messages: dict[int, list[Span]] = {}
    for number, value in message.fields():
        if isinstance(value, int):
            integers[number] = value
        else:
            messages.setdefault(number, []).append(value)
    if integers.keys() & messages.keys():
        raise refusal(place, expected="a field of one kind", found="one of two")
    return integers, messages
