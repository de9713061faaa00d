"""npz files with arrays that are none, or that are not there."""

import struct
import zipfile

import numpy as np
import pytest

from xframe import checkpoints
from xframe.checkpoints import zips
from xframe.checkpoints.budget import Budget
from xframe.errors import CheckpointError


def npy(header, data=b"", version=b"\x01\x00", length=None):
    width = "<H" if version[0] == 1 else "<I"
    return b"\x93NUMPY" + version + struct.pack(width, len(header) if length is None else length) + header + data


def npz(path, member, name="x.npy", **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr(name, member)
    return path


def header(descr="'<f4'", fortran="False", shape="(2,)", rest=", "):
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}{rest}}}\n".encode()


def test_the_builders_build_what_is_read(tmp_path):
    for version in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        path = npz(tmp_path / "a.npz", npy(header(), bytes(8), version))
        assert str(checkpoints.read(path).specs[0]) == "x float32[2]"


@pytest.mark.parametrize(
    "member",
    [
        b"", b"\x93NUMPY", b"\x93NUMPX\x01\x00" + bytes(100), npy(header(), bytes(7)), npy(header(), bytes(9)),
        npy(header("'|O'"), bytes(16)), npy(header("'>f4'"), bytes(8)), npy(header("'<U1'"), bytes(8)),
        npy(header("[('a', '<f4')]"), bytes(8)), npy(header(shape="(9223372036854775807,)")),
        npy(header(shape="(2,)" * 2)),
        npy(header(shape="(0, 9223372036854775807)")), npy(header(shape="(4294967296, 4294967296)")),
        npy(header(shape="(-2,)")),
        npy(header(shape="(True,)")), npy(header(shape="2")), npy(header(shape="[2]")), npy(header(shape="(" * 5000)),
        npy(header(fortran="1"), bytes(8)), npy(header(rest=", 'more': 1"), bytes(8)), npy(b"", bytes(8)),
        npy(b"{}", bytes(8)),
        npy(header()[:-1] + b" " * 20_000, bytes(8), b"\x02\x00"), npy(header(), bytes(8), length=60_000),
        npy(header(), bytes(8), b"\x04\x00"), npy(header()[:-1] + b" more\n", bytes(8)), npy(header("'=f4'"), bytes(8)),
        npy(header(), bytes(8), b"\x02\x00", length=2**32 - 1), npy(header("__import__('os')"), bytes(8)),
        npy(header("'<f4'").replace(b"<f4", b"<f\xe9"), bytes(8)), npy(header(shape="(" + "1, " * 65 + ")"), bytes(4)),
    ],
)  # fmt: skip
def test_arrays_that_are_none(tmp_path, member):
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = npz(tmp_path / "a.npz", member, compression=compression)
        with pytest.raises(CheckpointError, match="a.npz"):
            checkpoints.read(path)


@pytest.mark.parametrize("name", ["../x.npy", "/x.npy", "a\\x.npy", "x.txt", "a/../../x.npy"])
def test_member_names(tmp_path, name):
    np.savez(tmp_path / "a.npz", y=np.ones(2))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr(name, npy(header(), bytes(8)))
    with pytest.raises(CheckpointError):
        checkpoints.read(tmp_path / "a.npz")


def test_pickled_objects_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(CheckpointError, match="objects"):
        checkpoints.read(tmp_path / "a.npz")


def test_a_deflated_bomb_is_refused_before_it_is_unpacked(tmp_path):
    """A member that says 40 GB, and is 8 MB of zeros: neither is allocated."""
    path = npz(tmp_path / "a.npz", npy(header(shape="(2000000,)"), bytes(8_000_000)), compression=zipfile.ZIP_DEFLATED)
    assert checkpoints.read(path).tensors["x"].array().shape == (2_000_000,)
    data = bytearray(path.read_bytes())
    for signature, find in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.find(signature) + find, 0xFFFFFFF0)
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="to unpack at once"):
        checkpoints.read(path, Budget(2**30))


def test_a_member_before_the_file(tmp_path):
    """zipfile takes a directory that is not where it says as junk before the archive, and moves every header."""
    path = npz(tmp_path / "a.npz", npy(header(), bytes(8)))
    data = bytearray(path.read_bytes())
    place = struct.unpack_from("<I", data, len(data) - 6)[0]
    struct.pack_into("<I", data, len(data) - 6, place + 5)
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="a header before the directory"):
        checkpoints.read(path)


def test_a_comment_that_is_not_there(tmp_path):
    path = npz(tmp_path / "a.npz", npy(header(), bytes(8)))
    path.write_bytes(path.read_bytes()[:-2] + b"\x05\x00")
    with pytest.raises(CheckpointError, match="a comment"):
        checkpoints.read(path)


@pytest.mark.parametrize("limit", [20, 2**31])
def test_a_directory_that_is_large(tmp_path, monkeypatch, limit):
    """In the end record, and in the zip64 one that may stand before it."""
    monkeypatch.setattr("zipfile.ZIP64_LIMIT", limit)
    path = npz(tmp_path / "a.npz", npy(header(), bytes(8)))
    assert list(checkpoints.read(path).tensors) == ["x"]
    monkeypatch.setattr("xframe.checkpoints.zips._LARGEST_DIRECTORY", 40)
    with pytest.raises(CheckpointError, match="zip directory of at most 40 bytes"):
        checkpoints.read(path)


def test_bytes_between_the_members(tmp_path):
    """As long as a descriptor before the first member, and of another length before the directory."""
    whole = npz(tmp_path / "a.npz", npy(header(), bytes(8))).read_bytes()
    start = whole.find(b"PK\x01\x02")
    moved = struct.pack("<I", start + 5)
    for content in (bytes(12) + whole, whole[:start] + bytes(5) + whole[start:-6] + moved + whole[-2:]):
        (tmp_path / "b.npz").write_bytes(content)
        with pytest.raises(CheckpointError, match="expected a header at 0|the zip directory at"):
            zips.members(tmp_path / "b.npz")


def test_content_has_a_bound(tmp_path):
    path = npz(tmp_path / "a.npz", b"content")
    (member,) = zips.members(path).values()
    assert zips.content(path, member, most=7) == b"content"
    with pytest.raises(CheckpointError, match="at most 6 bytes"):
        zips.content(path, member, most=6)


def test_damaged_deflated_data(tmp_path):
    path = npz(tmp_path / "a.npz", npy(header(), b"abcdefgh"), compression=zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(CheckpointError):
        checkpoints.read(path)
