"""Protocol buffers on the wire: fields walked one by one, long ones left where they lie.

A file of gigabytes is a mapped buffer here, so a tensor's bytes are a place in it and never an object. Specification:
protobuf.dev, "Encoding". Groups (wire types 3 and 4), which proto3 has not, are refused.
"""

from __future__ import annotations

import mmap
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from xframe.checkpoints.refusals import refusal
from xframe.errors import CheckpointError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_LARGEST_FIELD = 2**29
LONGEST_TEXT = 2**16
# A field may take two bytes and costs a few microseconds: their number bounds the time. A node of ONNX takes about 30.
MOST_FIELDS = 4_000_000


@dataclass(slots=True)
class Steps:
    """How many fields may still be walked in one file: its spans share it."""

    left: int = MOST_FIELDS


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a buffer: ``data[start:end]``."""

    data: memoryview
    start: int
    end: int
    place: str
    steps: Steps = field(default_factory=Steps, repr=False, compare=False)

    @classmethod
    def whole(cls, data: memoryview, place: str) -> Span:
        """All of a buffer; ``place`` names it in errors."""
        return cls(data, 0, len(data), place)

    def __len__(self) -> int:
        return self.end - self.start

    def tobytes(self) -> bytes:
        return bytes(self.data[self.start : self.end])

    def text(self, most: int = LONGEST_TEXT) -> str:
        """The bytes as UTF-8. Raises CheckpointError where they are none, or more than ``most``."""
        if len(self) > most:
            raise self.refuse(f"text of at most {most} bytes", f"{len(self)}")
        try:
            return self.tobytes().decode("utf-8")
        except UnicodeDecodeError:
            raise self.refuse("text in UTF-8", "other bytes") from None

    def refuse(self, expected: str, found: str) -> CheckpointError:
        return refusal(f"{self.place}, byte {self.start}", expected=expected, found=found)

    def fields(self) -> Iterator[tuple[int, int | Span]]:
        """Every field of the message that lies here: its number, and an unsigned integer or a Span.

        Raises CheckpointError where a field is cut off or is of a kind that no message has, or there are too many.
        """
        for number, kind, first, last in self._walk(self.start, self.end):
            if kind == _VARINT:
                yield number, first
            elif kind == _BYTES:
                yield number, Span(self.data, first, last, self.place, self.steps)
            else:
                yield number, int.from_bytes(self.data[first:last], "little")

    def parts(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Number, start and end of every long field of the message at ``start`` … ``end``: ``fields`` in a hurry."""
        for number, kind, first, last in self._walk(start, end):
            if kind == _BYTES:
                yield number, first, last

    def _walk(self, position: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """Number and wire type of every field, then its value and 0, or the start and the end of its bytes."""
        data = self.data
        while position < end:
            self._step()
            tag = data[position]
            if tag < 0x80:
                position += 1
            else:
                tag, position = self.varint(position, end)
            number, kind = tag >> 3, tag & 7
            if not 0 < number < _LARGEST_FIELD:
                raise self.refuse("a field's number", f"{number}")
            if kind in {_VARINT, _BYTES}:
                if position < end and data[position] < 0x80:
                    value = data[position]
                    position += 1
                else:
                    value, position = self.varint(position, end)
                if kind == _VARINT:
                    yield number, kind, value, 0
                    continue
            elif kind in {_FIXED32, _FIXED64}:
                value = 4 if kind == _FIXED32 else 8
            else:
                raise self.refuse("a field of a known wire type", f"wire type {kind}")
            if value > end - position:
                raise self.refuse(f"{value} more bytes", f"{end - position}: the message is cut off")
            yield number, kind, position, position + value
            position += value

    def message(self, wanted: Container[int]) -> Message:
        """The ``wanted`` fields of the message that lies here; all others are walked and left out."""
        found: dict[int, list[int | Span]] = {}
        for number, value in self.fields():
            if number in wanted:
                found.setdefault(number, []).append(value)
        return Message(self, found)

    def varints(self) -> Iterator[int]:
        """The unsigned integers of a packed field."""
        position = self.start
        while position < self.end:
            self._step()
            value, position = self.varint(position)
            yield value

    def _step(self) -> None:
        if self.steps.left <= 0:
            raise self.refuse(f"at most {MOST_FIELDS} fields in a file", "more")
        self.steps.left -= 1

    def varint(self, position: int, end: int | None = None) -> tuple[int, int]:
        """The unsigned integer at ``position`` of the buffer, and the position after it."""
        value = 0
        end = self.end if end is None else end
        for index, byte in enumerate(self.data[position : min(position + _LONGEST_VARINT, end)]):
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                if value >= 2**64:
                    break
                return value, position + index + 1
        raise self.refuse("an integer of at most 64 bits", "one that is longer or cut off")


@dataclass(frozen=True, slots=True)
class Message:
    """Fields of one message, by number. Each getter raises CheckpointError for a field of another kind.

    Where protobuf takes the last of a field that comes twice, this refuses it: writers write it once.
    """

    span: Span
    fields: dict[int, list[int | Span]]

    def integer(self, number: int, default: int = 0) -> int:
        """An integer field, as the int64 that it stands for."""
        value = self._one(number, default)
        if not isinstance(value, int):
            raise self.span.refuse(f"an integer in field {number}", "bytes")
        return signed(value)

    def part(self, number: int) -> Span | None:
        """A message, text or bytes field; None if it is not there."""
        value = self._one(number, None)
        if isinstance(value, int):
            raise self.span.refuse(f"bytes in field {number}", "an integer")
        return value

    def text(self, number: int) -> str:
        """A text field, empty if it is not there."""
        part = self.part(number)
        return "" if part is None else part.text()

    def parts(self, number: int) -> list[Span]:
        """A repeated message, text or bytes field."""
        values = self.fields.get(number, [])
        spans = [value for value in values if isinstance(value, Span)]
        if len(spans) != len(values):
            raise self.span.refuse(f"bytes in field {number}", "an integer")
        return spans

    def integers(self, number: int, most: int) -> tuple[int, ...]:
        """A repeated int64 field, packed or not, of at most ``most`` integers."""
        found: list[int] = []
        for value in self.fields.get(number, []):
            for integer in (value,) if isinstance(value, int) else value.varints():
                found.append(signed(integer))
                if len(found) > most:
                    raise self.span.refuse(f"at most {most} integers in field {number}", "more")
        return tuple(found)

    def _one(self, number: int, default: int | None) -> int | Span | None:
        values = self.fields.get(number, [])
        if len(values) > 1:
            raise self.span.refuse(f"field {number} once", f"{len(values)} times")
        return values[0] if values else default


def signed(value: int) -> int:
    """An unsigned 64-bit integer off the wire as the int64 that it stands for."""
    return value - 2**64 if value >= 2**63 else value


def mapped(path: Path) -> memoryview:
    """A file's content as a read-only buffer; none of it is read before it is looked at. Raises OSError."""
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
