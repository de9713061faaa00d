"""safetensors files that the library, or another reader, might let through."""

import json
import struct

import pytest

from xframe import checkpoints
from xframe.errors import CheckpointError

ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def safetensors(header, data=bytes(8), length=None):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def refuse(tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="a.safetensors") as raised:
        checkpoints.read(path)
    assert str(raised.value).isprintable()


def test_the_builders_build_what_is_read(tmp_path):
    (tmp_path / "a").write_bytes(safetensors({"__metadata__": {"format": "pt"}, "x": ENTRY}))
    read = checkpoints.read(tmp_path / "a")
    assert str(read.specs[0]) == "x float32[2]"
    assert read.metadata == {"format": "pt"}


@pytest.mark.parametrize(
    "entry",
    [
        {}, 1, None, [], ENTRY | {"more": 1}, ENTRY | {"dtype": "F33"}, ENTRY | {"dtype": 1}, ENTRY | {"dtype": "f32"},
        ENTRY | {"dtype": "F4"}, ENTRY | {"shape": [3]}, ENTRY | {"shape": 2}, ENTRY | {"shape": [-2]},
        ENTRY | {"shape": [2.0]},
        ENTRY | {"shape": [True, 2]}, ENTRY | {"shape": ["2"]}, ENTRY | {"shape": [2**62, 4]},
        ENTRY | {"shape": [0, 2**62]},
        ENTRY | {"shape": [1] * 65}, ENTRY | {"data_offsets": [0]}, ENTRY | {"data_offsets": [0, 7]},
        ENTRY | {"data_offsets": [8, 0]}, ENTRY | {"data_offsets": [-8, 0]}, ENTRY | {"data_offsets": [8, 16]},
        ENTRY | {"data_offsets": [0.0, 8]}, ENTRY | {"data_offsets": [2**64 - 8, 2**64]}, ENTRY | {"shape": 10**400},
        ENTRY | {"data_offsets": [10**4300 - 9, 10**4300 - 1]},  # too long to be printed, once the header is added
    ],
)  # fmt: skip
def test_entries(tmp_path, entry):
    refuse(tmp_path, safetensors({"x": entry}))


@pytest.mark.parametrize(
    "header",
    [
        b'{"x":%s,"x":%s}' % ((json.dumps(ENTRY).encode(),) * 2), b' {"x":%s}' % json.dumps(ENTRY).encode(),
        b'\n{"x":%s}' % json.dumps(ENTRY).encode(), b"{", b"{}x", b'{"x":NaN}', b"[]", b'{"\xff":1}',
        b'{"x":' + b"[" * 100_000,
        b'{"x":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', b'{"x":' + b"9" * 5000 + b"}",
        {"../x": ENTRY}, {"a/../x": ENTRY}, {"a\\..\\x": ENTRY}, {"a\0b": ENTRY}, {"\ud800": ENTRY},
        {"__metadata__": 1, "x": ENTRY},
        {"__metadata__": {"a": 1}, "x": ENTRY}, {"x": ENTRY, "y": ENTRY},
        {"x": ENTRY, "y": ENTRY | {"data_offsets": [4, 12]}},
        {"x": ENTRY, "y": ENTRY | {"data_offsets": [12, 20]}}, {},
    ],
)  # fmt: skip
def test_headers(tmp_path, header):
    for data in (bytes(8), bytes(12), bytes(20)):
        if not (header == {} and not data):
            refuse(tmp_path, safetensors(header, data))


def test_trailing_bytes_and_a_file_cut_off(tmp_path):
    refuse(tmp_path, safetensors({"x": ENTRY}, bytes(9)))
    refuse(tmp_path, safetensors({"x": ENTRY}, bytes(7)))


@pytest.mark.parametrize("length", [0, 1, 10**8 + 1, 2**63, 2**64 - 1, 99_999_999])
def test_header_lengths(tmp_path, length):
    refuse(tmp_path, safetensors({"x": ENTRY}, length=length))
