"""Archives at the limits of 32 bits, as sparse files: what zipfile and our reader make of them, and each field."""

import struct
import zipfile
import zlib

import pytest

from xframe.checkpoints import Outgoing, zips
from xframe.checkpoints import zip_layout as module
from xframe.checkpoints.zip_layout import Entry, zip_layout
from xframe.tensors import TensorSpec

LIMIT = 0xFFFFFFFF
PAGE = 4096
_END64, _LOCATOR, _END = struct.Struct("<4sQ2H2I4Q"), struct.Struct("<4sIQI"), struct.Struct("<4s4H2IH")


def large(name, size):
    """A member of ``size`` bytes that nobody writes: the file has a hole there."""
    return Entry(name, b"", Outgoing(TensorSpec(name, (size,), "uint8"), list))


def laid_out(path, entries):
    layout = zip_layout(entries)
    with path.open("wb") as file:
        for offset, data in (*layout.pieces, *layout.close([0x12345678] * len(layout.slots))):
            file.seek(offset)
            file.write(data)
    return path


def read(path):
    """zipfile's view of it, once our reader, which holds both headers against each other, has none against it."""
    found = zips.members(path)
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        start = archive.start_dir
    assert [(info.filename, info.file_size) for info in infos] == [
        (name, member.size) for name, member in found.items()
    ]
    return infos, start


def local_version(path, info):
    with path.open("rb") as file:
        file.seek(info.header_offset)
        return struct.unpack("<4sH", file.read(6))[1]


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT, LIMIT + 1, 2**33])
def test_sizes(tmp_path, size):
    """0xFFFFFFFF itself says that the size is elsewhere (APPNOTE 4.4.8)."""
    path = laid_out(tmp_path / "a.zip", [large("a", size), Entry("b", b"some data")])
    (first, second), _ = read(path)
    assert (first.file_size, first.compress_size, first.CRC) == (size, size, 0x12345678)
    assert (first.header_offset, second.file_size, second.CRC) == (0, 9, zlib.crc32(b"some data"))
    long = size >= LIMIT
    assert [info.extract_version for info in (first, second)] == [45 if long else 20, 45]
    assert [local_version(path, info) for info in (first, second)] == [45 if long else 20, 20]
    assert zipfile.ZipFile(path).read("b") == b"some data"


@pytest.mark.parametrize("start", [LIMIT - 1, LIMIT, LIMIT + 1])
def test_places(tmp_path, start):
    path = laid_out(tmp_path / "a.zip", [large("a", start - PAGE), Entry("b", b"b")])
    (_, second), _ = read(path)
    assert second.header_offset == start
    assert second.extract_version == (45 if start >= LIMIT else 20)


@pytest.mark.parametrize("start", [LIMIT - 1, LIMIT, LIMIT + 1])
def test_the_end_of_an_archive_whose_directory_lies_far_off(tmp_path, start):
    path = laid_out(tmp_path / "a.zip", [large("a", start - PAGE)])
    assert read(path)[1] == start
    check_end(path, 1, start, far=start >= LIMIT)


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6])
def test_the_end_of_an_archive_of_many_members(tmp_path, monkeypatch, count):
    """5 stands in for 65,535: that many members take their time."""
    assert module._MANY == 0xFFFF
    monkeypatch.setattr(module, "_MANY", 5)
    path = laid_out(tmp_path / "a.zip", [Entry(f"{index}", b"") for index in range(count)])
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == count
        check_end(path, count, archive.start_dir, far=count >= 5, many=5)


def test_the_end_of_an_archive_whose_directory_alone_is_too_large(tmp_path, monkeypatch):
    """700 stands in for 0xFFFFFFFF. Names of 30 letters need no padding: the directory takes more than the members."""
    monkeypatch.setattr(module, "LIMIT", 700)
    path = laid_out(tmp_path / "a.zip", [Entry(f"{index:030}", b"") for index in range(10)])
    with zipfile.ZipFile(path) as archive:
        assert (archive.start_dir, len(archive.infolist())) == (640, 10)
    record = _END64.unpack_from(path.read_bytes(), 640 + 760)
    assert record == (b"PK\x06\x06", 44, 45, 45, 0, 0, 10, 10, 760, 640)
    assert _END.unpack(path.read_bytes()[-_END.size :])[5:7] == (LIMIT, 640)


def check_end(path, members, start, *, far, many=0xFFFF):
    """Every field of the records at the end (APPNOTE 4.3.14 to 4.3.16)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(start)
        tail = file.read()
    length = len(tail) - _END.size - far * (_END64.size + _LOCATOR.size)
    fields = min(members, many), min(length, LIMIT), min(start, LIMIT)
    assert _END.unpack(tail[-_END.size :]) == (b"PK\x05\x06", 0, 0, fields[0], *fields, 0)
    assert (b"PK\x06\x06" in tail[length:]) == far
    if far:
        record = _END64.unpack_from(tail, length)
        assert record == (b"PK\x06\x06", 44, 45, 45, 0, 0, members, members, length, start)
        locator = _LOCATOR.unpack_from(tail, length + _END64.size)
        assert locator == (b"PK\x06\x07", 0, size - _END.size - _LOCATOR.size - _END64.size, 1)


def test_what_both_headers_say_beside_names_and_sizes(tmp_path):
    """Names in UTF-8, stored, on the first day that the format knows: equal tensors, equal files."""
    infos, _ = read(laid_out(tmp_path / "a.zip", [Entry("ü", b"x"), Entry("a" * 100, b"y" * 100)]))
    for info in infos:
        assert (info.flag_bits, info.compress_type, info.date_time) == (0x800, 0, (1980, 1, 1, 0, 0, 0))


@pytest.mark.parametrize("size", [1, 63, 2**20 - 1, 2**20, 2**20 + 1, LIMIT])
def test_payloads_are_aligned_to_64_bytes_and_large_ones_to_a_page(tmp_path, size):
    path = laid_out(tmp_path / "a.zip", [Entry("first", b"12345"), large("a", size), Entry("last", b"6")])
    members = zips.members(path).values()
    assert all(member.offset % 64 == 0 for member in members)
    assert all(member.offset % PAGE == 0 for member in members if member.size >= 2**20)
    assert sum(member.offset for member in members) - size < 3 * PAGE + 1000
