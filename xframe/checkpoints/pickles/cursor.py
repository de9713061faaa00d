"""A bounded walk over a pickle's bytes. Nothing is read or allocated before its length is known to fit."""

from __future__ import annotations

from typing import BinaryIO

from xframe.checkpoints.refusals import FRESH_COPY, refusal
from xframe.errors import CheckpointError

LONGEST_NAME = 256


class Cursor:
    """Reads a pickle of ``size`` bytes from the file's current position on.

    Offsets count from there. Between two opcodes the caller asks ``opcode()``; an opcode's own bytes may not leave the
    frame that it began in (PEP 3154), since readers disagree about what such a pickle says.
    """

    def __init__(self, file: BinaryIO, size: int, place: str) -> None:
        self._file = file
        self._size = size
        self._limit = size  # the end of the frame that we are in, or of the pickle
        self._framed = False
        self.place = place
        self.at = 0  # where the present opcode starts
        self.position = 0

    def refuse(self, expected: str, found: str, attempt: str = FRESH_COPY) -> CheckpointError:
        return refusal(f"{self.place}, byte {self.at}", expected=expected, found=found, attempt=attempt)

    def opcode(self) -> int:
        """The next opcode, as a number."""
        if self._framed and self.position == self._limit:
            self._framed, self._limit = False, self._size
        self.at = self.position
        return self.take(1)[0]

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        self._advance(count)
        data = self._file.read(count)
        if len(data) != count:
            raise self.refuse(f"{self._size} bytes", f"fewer: the file ends at {self.position - count + len(data)}")
        return data

    def skip(self, count: int) -> int:
        """Leaves ``count`` bytes unread; returns where they start."""
        start = self.position
        self._advance(count)
        self._file.seek(count, 1)
        return start

    def number(self, width: int) -> int:
        """An unsigned little-endian integer of ``width`` bytes."""
        return int.from_bytes(self.take(width), "little")

    def line(self) -> str:
        """ASCII text up to the next newline, which is consumed."""
        text = self._file.readline(LONGEST_NAME + 1)
        self._advance(len(text))
        if not text.endswith(b"\n") or not text.isascii():
            raise self.refuse(f"a line of at most {LONGEST_NAME} ASCII characters", "none")
        return text[:-1].decode("ascii")

    def text(self, length: int) -> str:
        """UTF-8 text of ``length`` bytes."""
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError:
            raise self.refuse("text in UTF-8", "other bytes") from None

    def enter_frame(self, length: int) -> None:
        """From here on a frame of ``length`` bytes: frames do not nest, and end within the pickle."""
        if self._framed:
            raise self.refuse("frames side by side", "a frame inside a frame")
        if length > self._size - self.position:
            raise self.refuse(f"a frame of at most {self._size - self.position} bytes", f"one of {length}")
        self._framed, self._limit = True, self.position + length

    def finish(self) -> None:
        """The pickle has said STOP: nothing may follow."""
        if self.position != self._size:
            raise self.refuse("the file to end with its pickle", f"{self._size - self.position} more bytes")

    def finish_frame(self) -> None:
        """The pickle has said STOP and another may follow: not within this one's frame, where readers would miss it."""
        if self._framed and self.position != self._limit:
            raise self.refuse("the frame to end with its pickle", f"{self._limit - self.position} more bytes")

    def _advance(self, count: int) -> None:
        if count > self._limit - self.position:
            raise self.refuse(f"{count} more bytes", f"{self._limit - self.position}: the file or its frame is cut off")
        self.position += count
