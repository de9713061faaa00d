"""A TensorProto of ONNX: its dtype and shape, and where its values lie (onnx.proto, message TensorProto).

``raw_data`` and packed floats are little-endian and stay in the file. Integers in typed fields are varints, which are
decoded when they are asked for; ``int32_data`` carries every narrow dtype, floats of 8 and 16 bits as their bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import StoredTensor
from xframe.checkpoints.onnx.external import Folder
from xframe.checkpoints.protobuf import Message, Span
from xframe.checkpoints.refusals import refusal, shown
from xframe.checkpoints.shapes import MOST_AXES, is_shape
from xframe.errors import CheckpointError
from xframe.tensors import STORAGE, Array, Extent, TensorSpec

# TensorProto.DataType.
DTYPES: Mapping[int, str] = MappingProxyType(
    {
        1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool",
        10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
        17: "float8_e4m3fn", 19: "float8_e5m2",
    }
)  # fmt: skip
_REFUSED = {
    8: "text", 18: "float8_e4m3fnuz", 20: "float8_e5m2fnuz", 21: "uint4", 22: "int4", 23: "float4_e2m1",
    24: "float8_e8m0", 25: "uint2", 26: "int2",
}  # fmt: skip
_DIMS, _DTYPE, _SEGMENT, _STRINGS, _NAME, _RAW, _EXTERNAL, _LOCATION = 1, 2, 3, 6, 8, 9, 13, 14
_FLOAT, _INT32, _INT64, _DOUBLE, _UINT64 = 4, 5, 7, 10, 11
_TYPED = (_FLOAT, _INT32, _INT64, _DOUBLE, _UINT64)
WANTED = frozenset({_DIMS, _DTYPE, _SEGMENT, _STRINGS, _NAME, _RAW, _EXTERNAL, _LOCATION, *_TYPED})
_FIELD_OF: Mapping[str, int] = MappingProxyType(
    {
        "float32": _FLOAT, "complex64": _FLOAT, "float64": _DOUBLE, "complex128": _DOUBLE, "int64": _INT64,
        "uint32": _UINT64, "uint64": _UINT64,
    }
)  # fmt: skip
_IN_PLACE = frozenset({_FLOAT, _DOUBLE})
_LONGEST_VARINT = 10
_BLOCK = 2**20


def initializer(span: Span, path: Path, folder: Folder, budget: Budget) -> StoredTensor:
    """The tensor whose TensorProto lies at ``span`` of the file at ``path``.

    Raises CheckpointError for a dtype that no tensor of ours has, and for values that do not fill the shape.
    """
    message = span.message(WANTED)
    spec = _spec(message)
    place = f"{path}: {shown(spec.name)}"
    if message.integer(_LOCATION):
        return folder.stored(place, spec, _external(message, place))
    if message.parts(_EXTERNAL):
        raise refusal(place, expected="values in the file or outside", found="both said")
    number, values = _values(message, spec, place)
    if number == _RAW or number in _IN_PLACE:
        if len(values) != spec.nbytes:
            raise refusal(place, expected=f"{spec.nbytes} bytes for {shown(spec)}", found=f"{len(values)}")
        return StoredTensor(spec=spec, extent=Extent.dense(path, values.start, spec.shape, spec.dtype))
    if not spec.numel <= len(values) <= _LONGEST_VARINT * spec.numel:
        raise refusal(place, expected=f"{spec.numel} integers for {shown(spec)}", found=f"{len(values)} bytes")
    budget.check(place, spec.nbytes)
    return StoredTensor(spec=spec, unpack=Varints(values, spec, place).array)


def location(span: Span) -> str | None:
    """The file in which the values of a TensorProto lie, None for the model's own."""
    message = span.message({_EXTERNAL, _LOCATION})
    if not message.integer(_LOCATION) and not message.parts(_EXTERNAL):
        return None
    pairs = (entry.message({1, 2}) for entry in message.parts(_EXTERNAL))
    return next((pair.text(2) for pair in pairs if pair.text(1) == "location"), "")


def _spec(message: Message) -> TensorSpec:
    name, code = message.text(_NAME), message.integer(_DTYPE)
    place = f"{message.span.place}: {shown(name)}"
    if not name:
        raise message.span.refuse("a name for each tensor", "one without")
    if code not in DTYPES:
        found = _REFUSED.get(code, f"data type {code}")
        attempt = "export the model in a dtype among " + ", ".join(DTYPES.values())
        raise refusal(place, expected="numbers of at least 8 bits, in ONNX's own dtypes", found=found, attempt=attempt)
    shape = message.integers(_DIMS, MOST_AXES)
    if not is_shape(shape):
        raise refusal(place, expected="a shape", found=shown(list(shape)))
    if message.fields.get(_SEGMENT):
        raise refusal(place, expected="a whole tensor", found="a segment of one")
    return TensorSpec(name, shape, DTYPES[code])


def _values(message: Message, spec: TensorSpec, place: str) -> tuple[int, Span]:
    """The one field with the values, and its number; that of a tensor without elements may be missing."""
    own = _FIELD_OF.get(spec.dtype, _INT32)
    found = {number: part for number in (_RAW, *_TYPED, _STRINGS) if (part := message.part(number)) is not None}
    filled = {number: part for number, part in found.items() if len(part) or number == own} or found
    if not filled and not spec.numel:
        return _RAW, Span(message.span.data, message.span.start, message.span.start, place)
    if len(filled) != 1 or not filled.keys() <= {_RAW, own}:
        said = " and ".join(str(number) for number in filled) or "none"
        raise refusal(place, expected=f"values once, in field {_RAW} or {own} for {spec.dtype}", found=f"field {said}")
    return filled.popitem()


def _external(message: Message, place: str) -> dict[str, str]:
    """``location``, ``offset`` … of a tensor whose values lie in another file."""
    if message.integer(_LOCATION) != 1 or any(
        len(part) for number in (_RAW, *_TYPED) for part in message.parts(number)
    ):
        raise refusal(place, expected="values in one place", found="values in the file and outside")
    said: dict[str, str] = {}
    for entry in message.parts(_EXTERNAL):
        pair = entry.message({1, 2})
        key = pair.text(1)
        if key in said:
            raise refusal(place, expected="every key once", found=f"{shown(key)} again")
        said[key] = pair.text(2)
    return said


@dataclass(frozen=True, slots=True)
class Varints:
    """Packed integers of a typed field, each of which must fit the tensor's dtype."""

    span: Span
    spec: TensorSpec
    place: str

    def array(self) -> Array:
        """The values, decoded block by block."""
        values = np.empty(self.spec.numel, self._wire())
        data = np.frombuffer(self.span.data, np.uint8)[self.span.start : self.span.end]
        filled = start = 0
        while start < len(data):
            block = data[start : start + _BLOCK]
            ends = np.flatnonzero(block < 0x80)
            if not len(ends) or filled + len(ends) > len(values):
                raise self._refuse("another number of them")
            values[filled : filled + len(ends)] = self._checked(_decoded(block, ends))
            filled += len(ends)
            start += int(ends[-1]) + 1
        if filled != len(values):
            raise self._refuse(f"{filled}")
        return values.view(STORAGE[self.spec.dtype]).reshape(self.spec.shape)

    def _wire(self) -> np.dtype[Any]:
        """What the integers are: the values themselves, or the bits of a float."""
        storage = STORAGE[self.spec.dtype]
        return np.dtype(f"u{storage.itemsize}") if storage.kind == "f" else storage

    def _checked(self, found: Array | None) -> Array:
        if found is None:
            raise self._refuse("one of more than 64 bits")
        wire = self._wire()
        if wire == np.uint64:
            return found
        signed = found.view(np.int64)
        least, most = (0, 1) if wire == np.bool_ else (np.iinfo(wire.str).min, np.iinfo(wire.str).max)
        if signed.min() < least or signed.max() > most:
            raise self._refuse(f"one that is not from {least} to {most}")
        return signed

    def _refuse(self, found: str) -> CheckpointError:
        return refusal(self.place, expected=f"{self.spec.numel} integers for {shown(self.spec)}", found=found)


def _decoded(block: Array, ends: Array) -> Array | None:
    """The varints that end at ``ends``, as uint64; None if one is too long."""
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    longest = int(lengths.max())
    if longest > _LONGEST_VARINT or (block[ends[lengths == _LONGEST_VARINT]] > 1).any():
        return None
    values = np.zeros(len(ends), np.uint64)
    for index in range(longest):
        longer = lengths > index
        bits = (block[starts[longer] + index] & 0x7F).astype(np.uint64)
        values[longer] |= bits << np.uint64(7 * index)
    return values
