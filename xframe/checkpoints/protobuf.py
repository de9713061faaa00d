"""Protocol buffers on the wire: fields walked one by one, long ones left where they lie.

A file of gigabytes is a mapped buffer here, so a tensor's bytes are a place in it and never an object. Specification:
protobuf.dev, "Encoding". Groups (wire types 3 and 4), which proto3 has not, are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xframe.checkpoints.refusals import refusal
from xframe.errors import CheckpointError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_LARGEST_FIELD = 2**29


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a buffer: ``data[start:end]``."""

    data: memoryview
    start: int
    end: int
    place: str

    @classmethod
    def whole(cls, data: memoryview, place: str) -> Span:
        """All of a buffer; ``place`` names it in errors."""
        return cls(data, 0, len(data), place)

    def __len__(self) -> int:
        return self.end - self.start

    def tobytes(self) -> bytes:
        return bytes(self.data[self.start : self.end])

    def text(self) -> str:
        """The bytes as UTF-8. Raises CheckpointError where they are none."""
        try:
            return self.tobytes().decode("utf-8")
        except UnicodeDecodeError:
            raise self.refuse("text in UTF-8", "other bytes") from None

    def refuse(self, expected: str, found: str) -> CheckpointError:
        return refusal(f"{self.place}, byte {self.start}", expected=expected, found=found)

    def fields(self) -> Iterator[tuple[int, int | Span]]:
        """Every field of the message that lies here: its number, and an unsigned integer or a Span.

        Raises CheckpointError where a field is cut off or is of a kind that no message has.
        """
        position = self.start
        while position < self.end:
            tag, position = self._varint(position)
            number, kind = tag >> 3, tag & 7
            if not 0 < number < _LARGEST_FIELD:
                raise self.refuse("a field's number", f"{number}")
            if kind == _VARINT:
                value, position = self._varint(position)
                yield number, value
            elif kind == _BYTES:
                length, position = self._varint(position)
                yield number, self._part(position, length)
                position += length
            elif kind in {_FIXED32, _FIXED64}:
                width = 4 if kind == _FIXED32 else 8
                yield number, int.from_bytes(self._part(position, width).tobytes(), "little")
                position += width
            else:
                raise self.refuse("a field of a known wire type", f"wire type {kind}")

    def varints(self) -> Iterator[int]:
        """The unsigned integers of a packed field."""
        position = self.start
        while position < self.end:
            value, position = self._varint(position)
            yield value

    def _varint(self, position: int) -> tuple[int, int]:
        value = 0
        for index, byte in enumerate(self.data[position : min(position + _LONGEST_VARINT, self.end)]):
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                if value >= 2**64:
                    break
                return value, position + index + 1
        raise self.refuse("an integer of at most 64 bits", "one that is longer or cut off")

    def _part(self, start: int, length: int) -> Span:
        if length > self.end - start:
            raise self.refuse(f"{length} more bytes", f"{max(0, self.end - start)}: the message is cut off")
        return Span(self.data, start, start + length, self.place)


def signed(value: int) -> int:
    """An unsigned 64-bit integer off the wire as the int64 that it stands for."""
    return value - 2**64 if value >= 2**63 else value
