"""Zip archives as layouts: stored members, payloads aligned, checksums filled in when they are known.

PKWARE APPNOTE 4.3; zip64 (4.5.3) where a size or an offset needs it. The padding is an extra field, as PyTorch's writer
does it. Times are those of 1980: equal tensors, equal files.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import deflate

from xframe.checkpoints.model import Outgoing
from xframe.checkpoints.pouring import Layout, Piece, Slot

ALIGNMENT = 64
_PAGE, _LARGE = 4096, 2**20  # payloads from a megabyte on start on a page, which is quicker to write and to map
LIMIT = LONG = 0xFFFFFFFF  # sizes from LIMIT on are said in a zip64 field, and LONG where 32 bits should say them
_MANY = 0xFFFF
_LOCAL, _CENTRAL = struct.Struct("<4s5H3I2H"), struct.Struct("<4s6H3I5H2I")
_END, _END64, _LOCATOR = struct.Struct("<4s4H2IH"), struct.Struct("<4sQ2H2I4Q"), struct.Struct("<4sIQI")
_CRC_OFFSET = 14  # in the local header
_UTF8 = 0x800
_DATE = 0x21  # 1 January 1980
_PADDING_ID = 0x4246  # "FB"


@dataclass(frozen=True, slots=True)
class Entry:
    """A member to be: ``data``, and after it perhaps a tensor's bytes."""

    name: str
    data: bytes
    tensor: Outgoing | None = None

    @property
    def size(self) -> int:
        return len(self.data) + (self.tensor.spec.nbytes if self.tensor else 0)


@dataclass(frozen=True, slots=True)
class _Placed:
    entry: Entry
    start: int
    crc: int = 0

    @property
    def name(self) -> bytes:
        return self.entry.name.encode()

    @property
    def fixed(self) -> tuple[int, int, int, int, int]:
        """Version, flags, method, time, date: what both headers say."""
        return 45 if self.is_long else 20, _UTF8, 0, 0, _DATE

    @property
    def is_long(self) -> bool:
        return self.entry.size >= LIMIT

    def local(self) -> bytes:
        """The header before the member, padded so that the payload is aligned; its CRC is still 0."""
        size = self.entry.size
        long = struct.pack("<HHQQ", 1, 16, size, size) if self.is_long else b""
        bare = _LOCAL.size + len(self.name) + len(long) + 4
        padding = -(self.start + bare) % (_PAGE if size >= _LARGE else ALIGNMENT)
        extra = long + struct.pack("<HH", _PADDING_ID, padding) + b"Z" * padding
        sizes = (LONG, LONG) if self.is_long else (size, size)
        head = _LOCAL.pack(b"PK\x03\x04", *self.fixed, 0, *sizes, len(self.name), len(extra))
        return head + self.name + extra

    def central(self, crc: int) -> bytes:
        """The directory's entry for the member."""
        size = self.entry.size
        far = self.start >= LIMIT
        long = struct.pack("<QQ", size, size) if self.is_long else b""
        long += struct.pack("<Q", self.start) if far else b""
        extra = struct.pack("<HH", 1, len(long)) + long if long else b""
        version, *fixed = self.fixed
        sizes = (LONG, LONG) if self.is_long else (size, size)
        head = _CENTRAL.pack(
            b"PK\x01\x02", version, 45 if long else version, *fixed, crc, *sizes,
            len(self.name), len(extra), 0, 0, 0, 0, LONG if far else self.start,
        )  # fmt: skip
        return head + self.name + extra


def zip_layout(entries: Iterable[Entry]) -> Layout:
    """The archive of these members, in their order."""
    placed, pieces, slots, position = [], [], [], 0
    for entry in entries:
        member = _Placed(entry, position)
        header = member.local()
        payload = position + len(header)
        pieces.append((position, header + entry.data))
        if entry.tensor is not None:
            slots.append(Slot(payload + len(entry.data), entry.tensor, deflate.crc32(entry.data)))
        placed.append(member)
        position = payload + entry.size

    def close(checksums: Sequence[int]) -> Iterable[Piece]:
        of_tensor = iter(checksums)
        crcs = [next(of_tensor) if member.entry.tensor else deflate.crc32(member.entry.data) for member in placed]
        for member, crc in zip(placed, crcs, strict=True):
            yield member.start + _CRC_OFFSET, struct.pack("<I", crc)
        yield position, _directory(placed, crcs, position)

    return Layout(pieces=pieces, slots=slots, close=close)


def _directory(placed: Sequence[_Placed], crcs: Sequence[int], start: int) -> bytes:
    """The central directory, and the end that says where it is; twice over in zip64 where 32 bits do not do."""
    body = b"".join(member.central(crc) for member, crc in zip(placed, crcs, strict=True))
    size, members = len(body), len(placed)
    if members >= _MANY or start >= LIMIT or size >= LIMIT:
        body += _END64.pack(b"PK\x06\x06", _END64.size - 12, 45, 45, 0, 0, members, members, size, start)
        body += _LOCATOR.pack(b"PK\x06\x07", 0, start + size, 1)
    many = min(members, _MANY)
    return body + _END.pack(
        b"PK\x05\x06", 0, 0, many, many, size if size < LIMIT else LONG, start if start < LIMIT else LONG, 0
    )
