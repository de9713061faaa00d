"""Zip archives as weight files use them, read with the zipfile library and then held to what a writer would write.

zipfile alone is lenient: it takes junk before and after, overlapping members, and trusts the central directory, though
readers differ in whether they believe that or the local headers (PKWARE APPNOTE 4.3.7, 4.3.12).
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from xframe.checkpoints.refusals import refusal, shown

MAGIC = b"PK\x03\x04"
EMPTY_MAGIC = b"PK\x05\x06"
_LOCAL = struct.Struct("<4s5H3I2H")
_LONG, _LONG_END = 0xFFFFFFFF, 56
_DESCRIPTOR_FLAG, _UTF8_FLAG = 0x8, 0x800
_DESCRIPTOR_SIZES = (0, 12, 16, 20, 24)
_LARGEST_DIRECTORY = 16 * 2**20  # 200,000 members; zipfile takes ten times as much memory
_LONG_EXTRA = 20  # zipfile's zip64 field


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file in the archive: its bytes start at ``offset``; ``stored`` says that they are not compressed."""

    name: str
    offset: int
    size: int
    packed_size: int
    crc: int
    stored: bool


def first_name(head: bytes) -> str:
    """The name of the archive's first member, from the first bytes of the file; empty if there is none."""
    if not head.startswith(MAGIC) or len(head) < _LOCAL.size:
        return ""
    return head[_LOCAL.size : _LOCAL.size + _LOCAL.unpack_from(head)[9]].decode("utf-8", "replace")


def bad_name(name: str) -> bool:
    """Whether an archive member of that name could lead out of the folder that the archive is unpacked in."""
    parts = PurePosixPath(name).parts
    return not parts or name.startswith("/") or name.endswith("/") or ".." in parts or "\\" in name or "\0" in name


def members(path: Path) -> dict[str, Member]:
    """The archive's members by name, in central-directory order. Raises CheckpointError unless they tile the file."""
    try:
        with path.open("rb") as file:
            _check_end(path, file)
            with zipfile.ZipFile(file) as archive:
                _check_entries(path, archive)
                found = [_member(path, file, info) for info in archive.infolist()]
                _check_tiling(path, archive, found)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise refusal(path, expected="a zip archive", found=f"a damaged one ({shown(error)})") from None
    return {member.name: member for member in found}


def content(path: Path, member: Member, *, most: int) -> bytes:
    """A stored member's bytes, at most ``most``, checked against its CRC unless that is 0, which writers may leave."""
    if member.size > most or not member.stored:
        raise refusal(_place(path, member.name), expected=f"a stored member of at most {most} bytes", found="another")
    with path.open("rb") as file:
        file.seek(member.offset)
        data = file.read(member.size)
    if len(data) != member.size or (member.crc and zlib.crc32(data) != member.crc):
        raise refusal(_place(path, member.name), expected=f"bytes with the CRC {member.crc:08x}", found="other bytes")
    return data


def _check_end(path: Path, file: IO[bytes]) -> None:
    """The end record stands last, a zip64 one and its locator before it. zipfile reads all of the directory at once."""
    file.seek(-min(path.stat().st_size, _LONG_END + 20 + 22), 2)
    tail = file.read()
    end, long_end = tail[-22:], tail[:_LONG_END]
    size = int.from_bytes(end[12:16], "little")
    if long_end.startswith(b"PK\x06\x06"):
        size = max(size if size != _LONG else 0, int.from_bytes(long_end[40:48], "little"))
    if not end.startswith(EMPTY_MAGIC) or any(end[20:]):
        raise refusal(path, expected="the file to end with its zip directory", found="a comment or bytes after it")
    if size > _LARGEST_DIRECTORY:
        raise refusal(path, expected=f"a zip directory of at most {_LARGEST_DIRECTORY} bytes", found=f"one of {size}")


def _check_entries(path: Path, archive: zipfile.ZipFile) -> None:
    for name, count in Counter(info.filename for info in archive.infolist()).most_common(1):
        if count > 1:
            raise refusal(path, expected="every member once", found=f"{shown(name)} again")
    for info in archive.infolist():
        if not 0 <= info.header_offset < archive.start_dir:
            raise refusal(_place(path, info.filename), expected="a header before the directory", found="none")


def _member(path: Path, file: IO[bytes], info: zipfile.ZipInfo) -> Member:
    place = _place(path, info.orig_filename)
    if bad_name(info.orig_filename) or info.orig_filename != info.filename or stat.S_ISLNK(info.external_attr >> 16):
        raise refusal(place, expected="a plain file below the root", found="a folder, a link or a path that leads out")
    if info.flag_bits & ~(_DESCRIPTOR_FLAG | _UTF8_FLAG | 0x6):
        raise refusal(place, expected="a member that is not encrypted", found=f"zip flags 0x{info.flag_bits:x}")
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise refusal(place, expected="a stored or deflated member", found=f"compression method {info.compress_type}")
    stored = info.compress_type == zipfile.ZIP_STORED
    if stored and info.file_size != info.compress_size:
        raise refusal(place, expected=f"{info.compress_size} bytes, as are stored", found=f"{info.file_size}")
    return Member(
        name=info.filename,
        offset=_payload_offset(place, file, info),
        size=info.file_size,
        packed_size=info.compress_size,
        crc=info.CRC,
        stored=stored,
    )


def _payload_offset(place: str, file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """Where the bytes start: after the local header, whose length only it knows, once it agrees with the directory."""
    file.seek(info.header_offset)
    head = file.read(_LOCAL.size)
    if len(head) != _LOCAL.size or not head.startswith(MAGIC):
        raise refusal(place, expected="a local header", found="none")
    _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(head)
    name, extra = file.read(name_length), file.read(extra_length)
    found = (flags, method, name, crc, *(_long_sizes(extra) if _LONG in {packed, size} else (size, packed)))
    encoded = info.orig_filename.encode("utf-8" if flags & _UTF8_FLAG else "cp437", "replace")
    wanted = (info.flag_bits, info.compress_type, encoded, info.CRC, info.file_size, info.compress_size)
    # A writer that streams leaves CRC and sizes 0 here, and repeats them in a descriptor after the payload.
    streamed = flags & _DESCRIPTOR_FLAG and found[3:] == (0, 0, 0)
    if found[:3] != wanted[:3] or (found != wanted and not streamed):
        raise refusal(place, expected="a local header like the directory's entry", found="another name, size or CRC")
    return info.header_offset + len(head) + len(name) + len(extra)


def _long_sizes(extra: bytes) -> tuple[int, int]:
    """Size and packed size out of a local header's zip64 field; it may stand anywhere among the extra fields."""
    while len(extra) >= _LONG_EXTRA:
        kind, length = struct.unpack_from("<HH", extra)
        if (kind, length) == (1, 16):
            size, packed = struct.unpack_from("<QQ", extra, 4)
            return size, packed
        extra = extra[4 + length :]
    return -1, -1


def _check_tiling(path: Path, archive: zipfile.ZipFile, found: list[Member]) -> None:
    """Members lie end to end from byte 0 to the directory, but for the descriptors that may follow them."""
    starts = {info.filename: info.header_offset for info in archive.infolist()}
    position = 0
    for member in sorted(found, key=lambda member: member.offset):
        start = starts[member.name]
        if start - position not in (_DESCRIPTOR_SIZES if position else (0,)):
            raise refusal(_place(path, member.name), expected=f"a header at {position}", found=f"one at {start}")
        position = member.offset + member.packed_size
    if archive.start_dir - position not in (_DESCRIPTOR_SIZES if position else (0,)):
        raise refusal(path, expected=f"the zip directory at {position}", found=f"it at {archive.start_dir}")


def _place(path: Path, name: str) -> str:
    return f"{path}: {shown(name)}"
