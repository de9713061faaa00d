"""Small files that stand for much memory or time: each is read in a process of its own, and measured.

Memory is the growth of the process's largest resident size over what the imports took; time is the processor's.
"""

import io
import json
import pickle
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hostile import NAMED, array, call, integer, state_dict, tensor, text, torch_zip

MOST_MEMORY = 300 * 2**20
MOST_SECONDS = 10
BUDGET = 2**26
ADDRESS_SPACE = 6 * 2**30  # a reader without bounds ends here, not the machine

SCRIPT = f"""
import resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, ({ADDRESS_SPACE}, {ADDRESS_SPACE}))
from xframe import checkpoints
from xframe.checkpoints.budget import Budget
from xframe.errors import CheckpointError

def peak():
    return 1024 * int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])

before, start = peak(), time.process_time()
try:
    said = str(len([tensor.spec for tensor in checkpoints.read(sys.argv[1], Budget({BUDGET})).tensors.values()]))
except CheckpointError as error:
    said = str(error)
print(peak() - before, time.process_time() - start, said)
"""


def tree(*opcodes):
    return b"\x80\x04}" + NAMED + b"".join(opcodes) + b"s."


def memo_expansion():
    """Lists of ten of the one before, thirty deep: 10 to the 30 leaves."""
    level = []
    for _ in range(30):
        level = [level] * 10
    return pickle.dumps({"x": level}, 4)


def one_tensor_over_and_over():
    """A byte of opcode and a byte of key for each of 300,000 tensors."""
    return b"\x80\x04}(" + text("w") + array() + b"\x94" + text("l") + b"](" + b"h\x00" * 300_000 + b"eu."


def names_that_multiply():
    branch = {str(index): None for index in range(1000)}
    return pickle.dumps({"n" * 100_000 + str(index): branch for index in range(1000)}, 4)


def one_record_in_many_places():
    """A dtype with 200,000 places in the memo, set again 200,000 times."""
    state = b"(K\x03" + text("<") + b"NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x00tr\xff\xff\xff\xff"
    made = call("numpy", "dtype", text("f4"), b"\x89", b"\x88")
    return tree(made, b"\x94" * 200_000, state, b"b", b"j\xff\xff\xff\xffb" * 200_000)


def safetensors(header, data=b""):
    return struct.pack("<Q", len(header)) + header + data


def directory():
    """A zip archive whose directory has 800,000 entries for one member."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/data.pkl", b"")
    data = buffer.getvalue()
    start, end = data.find(b"PK\x01\x02"), data.find(b"PK\x05\x06")
    entries = b"".join(data[start:end].replace(b"a/data.pkl", b"a/%08x" % index) for index in range(800_000))
    return data[:start] + entries + data[end : end + 12] + struct.pack("<IIH", len(entries), start, 0)


def deflated(shape=(10 * 2**20,), claimed=None):
    """80 MiB of zeros in 80 KB; ``claimed`` is the size that the archive gives instead."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "<f8", "fortran_order": False, "shape": shape})
        for _ in range(80):
            member.write(bytes(2**20))
    data = bytearray(buffer.getvalue())
    if claimed is not None:
        at = data.find(b"PK\x01\x02")
        for offset in (14 + 8, at + 24):
            struct.pack_into("<I", data, offset, claimed)
    return bytes(data)


def expanded(path):
    """A tensor of 8 TiB over 24 bytes, by stride 0."""
    torch_zip(path, tensor(size=(2**40, 2), stride=(0, 1)))
    return path.read_bytes()


BOMBS = {
    "memo expansion": (memo_expansion, "over and over"),
    "DUP": (lambda: tree(b"]", b"2" * 2_000_000), "found DUP"),
    "one tensor over and over": (one_tensor_over_and_over, "at most 250000 tensors"),
    "one record in many places": (one_record_in_many_places, "0"),
    "names that multiply": (names_that_multiply, "names and at most"),
    "opcodes": (lambda: tree(b"(", b"]" * 2_000_000), "opcodes"),
    "tuples in tuples": (lambda: tree(b")", b"\x85" * 500_000), "nesting"),
    "lists in lists": (lambda: tree(b"]" * 300_000, b"a" * 299_999), "nesting"),
    "shape of a pickled array": (lambda: state_dict(array(shape=integer(2**58) + b"\x85")), "bytes for float32"),
    "bytes that are not there": (lambda: state_dict(b"\x8e" + struct.pack("<Q", 2**40)), "cut off"),
    "text that is not there": (lambda: state_dict(b"\x8d" + struct.pack("<Q", 2**40)), "cut off"),
    "frame that is not there": (lambda: b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"}.", "a frame of at most"),
    "header of 100 MB": (lambda: safetensors(b"{" + bytes(100_000_000 - 1)), "to unpack at once"),
    "header of 2 MB": (lambda: safetensors(b'{"x":[' + b'{"a":0},' * 250_000 + b"[]]}"), "exactly dtype"),
    "lists in lists in JSON": (lambda: safetensors(b'{"x":' + b"[" * 2_000_000), "JSON"),
    "shape of safetensors": (
        lambda: safetensors(json.dumps({"x": {"dtype": "F32", "shape": [2**58], "data_offsets": [0, 2**60]}}).encode()),
        "cut off",
    ),
    "directory": (directory, "zip directory of at most"),
    "deflated": (deflated, "to unpack at once"),
    "deflated, said to be small": (lambda: deflated((2,), 136), "Bad CRC"),
}


def measured(path):
    done = subprocess.run([sys.executable, "-c", SCRIPT, path], check=True, capture_output=True, text=True)
    memory, seconds, said = done.stdout.split(maxsplit=2)
    return int(memory), float(seconds), said


@pytest.mark.parametrize("name", BOMBS)
def test_bomb(name, tmp_path):
    build, words = BOMBS[name]
    (tmp_path / "bomb").write_bytes(build())
    memory, seconds, said = measured(tmp_path / "bomb")
    assert words in said
    assert memory < MOST_MEMORY
    assert seconds < MOST_SECONDS


def test_expanded_tensor(tmp_path):
    (tmp_path / "bomb").write_bytes(expanded(tmp_path / "a.pth"))
    memory, seconds, said = measured(tmp_path / "bomb")
    assert "more than any memory holds" in said or "times the file's" in said
    assert memory < MOST_MEMORY
    assert seconds < MOST_SECONDS


def test_the_measure_can_tell(tmp_path):
    """Half the budget, unpacked: the growth is seen."""
    with (tmp_path / "a.npz").open("wb") as file:
        np.savez_compressed(file, x=np.zeros(BUDGET // 16))
    script = SCRIPT.replace("tensor.spec for", "tensor.array().sum() for")
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "a.npz"], check=True, capture_output=True, text=True
    )
    assert BUDGET // 2 < int(done.stdout.split()[0]) < 4 * BUDGET
