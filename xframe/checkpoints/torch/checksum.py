"""The CRC-32 that an archive keeps of a storage: compared when values of it are first asked for, and only once."""

from __future__ import annotations

from pathlib import Path

import deflate

from xframe.checkpoints.refusals import refusal, shown
from xframe.checkpoints.zips import Member
from xframe.strips import strips
from xframe.tensors import Array, Extent


class Checksum:
    """The check of one storage, shared by all tensors in it."""

    def __init__(self, path: Path, member: Member) -> None:
        self._path, self._member = path, member
        self._passed = False

    def __call__(self) -> None:
        """Raises CheckpointError unless the storage's bytes have its CRC. Maps them, a piece at a time."""
        if self._passed:
            return
        found = 0
        for piece in strips(self._bytes()):
            found = deflate.crc32(piece.data, found)
        if found != self._member.crc:
            raise refusal(
                f"{self._path}: {shown(self._member.name)}",
                expected=f"bytes with the CRC {self._member.crc:08x}",
                found=f"bytes with {found:08x}",
            )
        self._passed = True

    def _bytes(self) -> Array:
        try:
            return Extent.dense(self._path, self._member.offset, (self._member.size,), "uint8").map()
        except (OSError, ValueError) as error:
            raise refusal(self._path, expected="the file that was read", found=f"another ({shown(error)})") from None
