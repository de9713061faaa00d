"""The process that HDF5 is parsed in: what it unpacks, what it may take, how it ends."""

import errno
import json
import mmap
import subprocess
import sys

import h5py
import numpy as np
import pytest
from hdf5_files import names, refuse, soft, weights

from xframe import checkpoints
from xframe.checkpoints.budget import Budget


def compact(_, group):
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((2, 3))
    dataset = h5py.Dataset(h5py.h5d.create(group.id, b"0", h5py.h5t.NATIVE_FLOAT, space, plist))
    dataset[...] = np.arange(6).reshape(2, 3)


def in_chunks(_, group):
    values = np.arange(70, dtype="i2").reshape(7, 10)
    group.create_dataset("0", data=values, chunks=(3, 4), compression="gzip", fletcher32=True)
    group.create_dataset("1", data=values[:, 0] > 30, chunks=(4,))
    group.create_dataset("2", data=values)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (compact, [np.arange(6, dtype="f4").reshape(2, 3)]),
        (in_chunks, [np.arange(70, dtype="i2").reshape(7, 10), np.arange(7) * 10 > 30, np.arange(70).reshape(7, 10)]),
    ],
)
def test_unpacked_values_are_mapped_and_their_folder_is_gone(tmp_path, monkeypatch, build, expected):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "scratch").mkdir()
    found = checkpoints.read(weights(tmp_path / "a.weights.h5", build)).tensors.values()
    assert list((tmp_path / "scratch").iterdir()) == []
    for tensor, array in zip(found, expected, strict=True):
        assert np.array_equal(tensor.array(), array)
        assert tensor.extent is not None or is_mapped(tensor.array())


def is_mapped(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap)


def two_of_4000_bytes(_, group):
    for name in ("0", "1"):
        group.create_dataset(name, data=np.arange(1000, dtype="f4"), chunks=(10,), compression="gzip")


def one_chunk_of_4000_bytes(_, group):
    group.create_dataset("0", data=np.arange(1000, dtype="f4"), chunks=(1000,), compression="gzip")


def test_unpacked_values_are_held_to_the_budget_all_together(tmp_path):
    path = weights(tmp_path / "a.weights.h5", two_of_4000_bytes)
    assert len(names(path, Budget(8100))) == 2
    refuse(path, "--max-memory", lambda path: names(path, Budget(8000)))
    refuse(path, "--max-memory", lambda path: checkpoints.read(path, Budget(8000)))


def test_a_chunk_is_held_to_the_budget_with_its_copies(tmp_path):
    path = weights(tmp_path / "a.weights.h5", one_chunk_of_4000_bytes)
    assert names(path, Budget(16_000)) == ["fc/vars/0"]
    refuse(path, "at most 15999 bytes", lambda path: names(path, Budget(15_999)))


def confined(code, *arguments):
    """What the code prints in a process that has confined itself to a budget of 1 MiB."""
    head = "import os, resource, json, sys\nfrom pathlib import Path\nfrom xframe.checkpoints.keras.process import *\n"
    done = subprocess.run([sys.executable, "-c", head + code, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


ATTEMPT = """
confine(2**20)
try:
    {}
    print("done")
except (MemoryError, OSError) as error:
    print(type(error).__name__, getattr(error, "errno", ""))
"""


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("bytearray(2**20)", "done"),
        ("bytearray(2**29)", "MemoryError"),
        ("os.truncate(os.open(sys.argv[1], os.O_CREAT | os.O_RDWR), 2**29)", f"OSError {errno.EFBIG}"),
        ("held = [open('/dev/null') for _ in range(40)]", f"OSError {errno.EMFILE}"),
    ],
)
def test_the_child_is_confined(tmp_path, code, outcome):
    assert confined(ATTEMPT.format(code), tmp_path / "large") == outcome


def test_the_child_is_confined_in_time_and_may_start_no_other_and_leaves_no_core(tmp_path):
    """A limit on processes does not bind root, so here they are only read back."""
    limits = "[resource.getrlimit(kind) for kind in (resource.RLIMIT_CPU, resource.RLIMIT_NPROC, resource.RLIMIT_CORE)]"
    assert confined(f"confine(2**20); print({limits})") == "[(60, 60), (0, 0), (0, 0)]"
    assert confined(f"confine(2**70); print({limits})") == "[(60, 60), (0, 0), (0, 0)]"


@pytest.mark.parametrize("code", ["bytearray(2**40)", "os.open('/nowhere/at/all', os.O_RDONLY)"])
def test_a_child_that_runs_into_a_limit_says_so(tmp_path, code):
    words = [str(tmp_path), "a.h5", "0", "9", str(2**20)]
    confined(f"serve(lambda window, values: {code}, {words})")
    assert json.loads((tmp_path / "result.json").read_text())["error"].startswith("a.h5: expected an HDF5 file within")


def test_a_refusal_comes_back_from_the_process_as_it_is(tmp_path):
    refuse(weights(tmp_path / "a.h5", soft), "SoftLink, not followed", checkpoints.read)


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(60)",
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (0, 0))\nwhile True: pass",
    ],
)
def test_a_library_that_hangs_or_crashes_is_no_hang_and_no_crash_of_ours(tmp_path, monkeypatch, code):
    """libhdf5 loops without end on some damaged heaps; an interpreter that sleeps, or dies, stands in for it."""
    path = weights(tmp_path / "a.h5", lambda _, group: group.create_dataset("0", data=np.ones(3)))
    interpreter = tmp_path / "python"
    interpreter.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}"\n')
    interpreter.chmod(0o755)
    monkeypatch.setattr("xframe.checkpoints.keras.process.LONGEST", 1.0)
    monkeypatch.setattr("sys.executable", str(interpreter))
    refuse(path, "HDF5's library", checkpoints.read)
