"""CRCs of the storages in PyTorch's zip files: looked at when values are asked for, once, and by the piece."""

import struct
import zipfile

import pytest
from hostile import state_dict, tensor, text, torch_zip

from xframe import checkpoints
from xframe.errors import CheckpointError

PAYLOAD = bytes(range(24))


def flipped(path, member="archive/data/0", at=5):
    """The same file with one bit of a stored member's payload turned over."""
    with zipfile.ZipFile(path) as archive:
        payload = archive.read(member)
    data = bytearray(path.read_bytes())
    data[data.index(payload) + at] ^= 4
    path.write_bytes(data)
    return path


def test_a_flipped_byte_under_a_storage_s_crc(tmp_path):
    path = flipped(torch_zip(tmp_path / "a.pth", tensor(), PAYLOAD))
    found = checkpoints.read(path).tensors["x"]
    for values in (found, found.renamed("y"), found.as_dtype("int32")):
        with pytest.raises(CheckpointError, match=r"a\.pth: archive/data/0: expected bytes with the CRC") as raised:
            values.array()
        assert str(raised.value).isprintable()


def test_a_flipped_byte_beside_a_view_in_the_same_storage(tmp_path):
    """The CRC is the storage's: which of its bytes was meant to be other is not known."""
    path = flipped(torch_zip(tmp_path / "a.pth", tensor(size=(1,), stride=(1,)), PAYLOAD), at=23)
    with pytest.raises(CheckpointError, match="CRC"):
        checkpoints.read(path).tensors["x"].array()


def pair(first, second):
    """Two tensors for the one value that the builders of files take."""
    return first + b"s" + text("y") + second


def test_a_storage_is_checked_once_for_all_its_tensors(tmp_path, monkeypatch):
    path = torch_zip(tmp_path / "a.pth", pair(tensor(), tensor(size=(6,), stride=(1,))), PAYLOAD)
    summed = []
    crc32 = checkpoints.torch.checksum.deflate.crc32
    monkeypatch.setattr(
        "xframe.checkpoints.torch.checksum.deflate.crc32", lambda data, value: summed.append(1) or crc32(data, value)
    )
    tensors = checkpoints.read(path).tensors
    assert summed == []
    assert [found.array().tobytes() for found in (*tensors.values(), *tensors.values())] == [PAYLOAD] * 4
    assert summed == [1]


def test_only_the_storage_that_is_damaged_is_refused(tmp_path):
    path = torch_zip(
        tmp_path / "a.pth", pair(tensor(), tensor(key="1")), PAYLOAD, extra=[("archive/data/1", bytes(24))]
    )
    tensors = checkpoints.read(flipped(path)).tensors
    assert not tensors["y"].array().any()
    with pytest.raises(CheckpointError, match="data/0"):
        tensors["x"].array()


def test_a_crc_over_many_pieces(tmp_path):
    payload = b"".join(index.to_bytes(4, "little") for index in range(3 * 2**20 + 1))
    layout = {"numel": len(payload) // 4, "size": (len(payload) // 4,), "stride": (1,)}
    path = torch_zip(tmp_path / "a.pth", tensor(**layout), payload)
    assert checkpoints.read(path).tensors["x"].array().tobytes() == payload
    with pytest.raises(CheckpointError, match="CRC"):
        checkpoints.read(flipped(path, at=len(payload) - 1)).tensors["x"].array()


def test_a_file_that_is_gone_or_shorter_when_values_are_asked_for(tmp_path):
    path = torch_zip(tmp_path / "a.pth", tensor())
    whole = path.read_bytes()
    shorter, gone = (checkpoints.read(path).tensors["x"] for _ in range(2))
    path.write_bytes(whole[:40])
    with pytest.raises(CheckpointError, match="the file that was read"):
        shorter.array()
    path.unlink()
    with pytest.raises(CheckpointError, match="the file that was read"):
        gone.array()


def without_crcs(path, *contents):
    data = path.read_bytes()
    for content in contents:
        data = data.replace(struct.pack("<I", zipfile.crc32(content)), bytes(4))
    path.write_bytes(data)
    return path


def test_a_storage_without_a_crc_among_others(tmp_path):
    path = flipped(torch_zip(tmp_path / "a.pth", tensor(), PAYLOAD))
    found = checkpoints.read(without_crcs(path, PAYLOAD))
    assert found.notes == ("storages without a CRC: 1",)
    assert found.tensors["x"].array().nbytes == 24


def test_zero_crcs_are_accepted_with_a_note(tmp_path):
    path = torch_zip(tmp_path / "a.pth", tensor(), PAYLOAD)
    without_crcs(path, state_dict(tensor(), 2), b"little", PAYLOAD, b"3\n")
    found = checkpoints.read(path)
    assert found.notes == ("the archive carries no CRCs",)
    assert found.tensors["x"].array().tobytes() == PAYLOAD
