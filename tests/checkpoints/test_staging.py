"""An output file appears whole or not at all."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import outgoing

from xframe import checkpoints
from xframe.checkpoints import Outgoing, staged
from xframe.errors import OutputError, UsageError
from xframe.tensors import TensorSpec

SPEC = TensorSpec("x", (3,), "float32")
FORMATS = [".pth", ".pdparams", ".safetensors", ".npz"]


def listed(folder):
    return [path.name for path in folder.iterdir()]


def test_published_file_replaces_the_old_one(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    with staged(target) as stage:
        assert stage.path.parent == target.parent
        assert stage.path.name.startswith(".a.bin.")
        assert stage.path.name.endswith(".partial")
        stage.path.write_bytes(b"new")
        assert target.read_bytes() == b"old"
        stage.publish()
    assert target.read_bytes() == b"new"
    assert listed(tmp_path) == ["a.bin"]


def test_who_has_the_old_file_open_keeps_it(tmp_path):
    """The new file takes the name in one step; the old one is not written into, so a mapped tensor does not change."""
    target = tmp_path / "a.pth"
    target.write_bytes(b"old")
    with target.open("rb") as old:
        checkpoints.write(target, None, outgoing([SPEC]))
        assert old.read() == b"old"


def test_unpublished_file_is_removed(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    with staged(target, ending=".partial.weights.h5") as stage:
        assert stage.path.name.endswith(".partial.weights.h5")
        stage.path.write_bytes(b"new")
    assert target.read_bytes() == b"old"
    assert listed(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit, MemoryError])
@pytest.mark.parametrize("extension", FORMATS)
def test_old_file_survives_an_error_in_the_middle(tmp_path, extension, error):
    target = tmp_path / f"a{extension}"
    target.write_bytes(b"old")

    def values():
        raise error

    with pytest.raises(error):
        checkpoints.write(target, None, [*outgoing([SPEC]), Outgoing.whole(TensorSpec("y", (2,), "int8"), values)])
    assert target.read_bytes() == b"old"
    assert listed(tmp_path) == [target.name]


@pytest.mark.parametrize("extension", FORMATS)
def test_values_unlike_their_spec_are_refused(tmp_path, extension):
    for wrong in (np.zeros(4, "f4"), np.zeros(3, "f8"), np.zeros((1, 3), "f4")):
        with pytest.raises(OutputError, match="x: expected"):
            checkpoints.write(tmp_path / f"a{extension}", None, [Outgoing.whole(SPEC, lambda wrong=wrong: wrong)])
    assert listed(tmp_path) == []


def test_a_link_keeps_pointing_where_it_did(tmp_path):
    (tmp_path / "link.pth").symlink_to("real.pth")
    checkpoints.write(tmp_path / "link.pth", None, outgoing([SPEC]))
    assert (tmp_path / "link.pth").is_symlink()
    assert checkpoints.read(tmp_path / "real.pth").specs == (SPEC,)


def test_a_folder_or_no_folder_is_refused(tmp_path):
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(OutputError, match="found a folder"):
        checkpoints.write(tmp_path / "folder.pth", None, outgoing([SPEC]))
    with pytest.raises(OutputError, match="there is none"):
        checkpoints.write(tmp_path / "no" / "a.pth", None, outgoing([SPEC]))


def test_a_folder_that_may_not_be_written(tmp_path, monkeypatch):
    def denied(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", denied)
    with pytest.raises(OutputError, match="permission to write"):
        checkpoints.write(tmp_path / "a.pth", None, outgoing([SPEC]))


@pytest.mark.parametrize("extension", FORMATS)
def test_disk_full(tmp_path, extension):
    """A limit on file sizes stands in for a full disk. It is met before a tensor is computed."""
    asked = []
    tensor = Outgoing(TensorSpec("x", (4096,), "float32"), lambda: asked.append("x") or iter(()))
    target = tmp_path / f"a{extension}"
    target.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OutputError, match="cannot|expected to write"):
            checkpoints.write(target, None, [tensor])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert asked == []
    assert target.read_bytes() == b"old"
    assert listed(tmp_path) == [target.name]


def test_names_that_come_twice_are_refused(tmp_path):
    with pytest.raises(UsageError, match="every name once"):
        checkpoints.write(tmp_path / "a.pth", None, outgoing([SPEC, SPEC]))


KILLED = """
import signal, sys, time
from pathlib import Path
import numpy as np
from xframe import checkpoints
from xframe.tensors import TensorSpec

signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored where tests run in the background

def slow():
    for _ in range(1200):
        print("writing", flush=True)
        time.sleep(0.05)
        yield np.zeros(0, "i1")

tensors = [checkpoints.Outgoing.whole(TensorSpec("x", (9,), "int8"), lambda: np.zeros(9, "i1")),
           checkpoints.Outgoing(TensorSpec("y", (9,), "int8"), slow)]
checkpoints.write(sys.argv[1], None, tensors)
"""


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_killed_in_the_middle(tmp_path, kill):
    target = tmp_path / "a.pth"
    target.write_bytes(b"old")
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, target], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout.readline() == b"writing\n"
        child.send_signal(kill)
        assert child.wait(30) != 0
    assert target.read_bytes() == b"old"
    left = [path.name for path in tmp_path.iterdir() if path != target]
    assert all(name.startswith(".a.pth.") and name.endswith(".partial") for name in left)
    assert len(left) == (1 if kill == signal.SIGKILL else 0)
    checkpoints.write(target, None, outgoing([SPEC]))
    assert listed(tmp_path) == ["a.pth"]


def test_only_the_leavings_of_the_dead_are_swept(tmp_path):
    """Two writers at once: neither takes the other's partial file away, nor a file that only looks like one."""
    stranger = tmp_path / ".a.pth.mine.partial"
    stranger.touch()
    with staged(tmp_path / "a.pth") as first, staged(tmp_path / "a.pth") as second:
        assert first.path.exists()
        second.publish()
        first.publish()
    assert sorted(listed(tmp_path)) == [".a.pth.mine.partial", "a.pth"]


@pytest.mark.parametrize("ending", [".partial", ".partial.weights.h5", ".partial.index"])
def test_leavings_of_any_name_are_swept_and_no_other_s(tmp_path, ending):
    """In a pattern the brackets of a name would mean something else."""
    (tmp_path / f".a[1].pth.0123abcd{ending}").touch()
    others = [f".a1.pth.0123abcd{ending}", ".a[1].pth.0123abc.partial", ".a[1].pth.0123ABCD.partial"]
    for name in others:
        (tmp_path / name).touch()
    (tmp_path / ".a[1].pth.00000000.partial").mkdir()  # nothing that can be opened, nor a reason to stop
    checkpoints.write(tmp_path / "a[1].pth", None, outgoing([SPEC]))
    assert sorted(listed(tmp_path)) == sorted([*others, ".a[1].pth.00000000.partial", "a[1].pth"])


@pytest.fixture
def synced(monkeypatch):
    """What is flushed to the disk and what is renamed, in order."""
    told, fsync, replace = [], os.fsync, Path.replace

    def recorded_sync(handle):
        told.append(f"flushed {Path(f'/proc/self/fd/{handle}').readlink().suffix or 'folder'}")
        fsync(handle)

    def recorded_replace(path, target):
        told.append(f"renamed {path.suffix}")
        return replace(path, target)

    monkeypatch.setattr("os.fsync", recorded_sync)
    monkeypatch.setattr(Path, "replace", recorded_replace)
    return told


def test_where_a_file_is_replaced_the_new_one_is_on_the_disk_first_and_the_rename_after(tmp_path, synced):
    target = tmp_path / "a.pth"
    checkpoints.write(target, None, outgoing([SPEC]))
    assert synced == ["renamed .partial"]
    synced.clear()
    checkpoints.write(target, None, outgoing([SPEC]))
    assert synced == ["flushed .partial", "renamed .partial", "flushed folder"]


@pytest.mark.parametrize("old", ["a.index", "a.data-00000-of-00001"])
def test_a_pair_is_flushed_whole_where_either_file_is_replaced(tmp_path, synced, old):
    (tmp_path / old).write_bytes(b"old")
    with staged(tmp_path / "a.index", ending=".partial.index") as stage:
        (data,) = [partial for partial, _ in stage.beside]
        data.write_bytes(b"data")
        stage.publish()
    suffixes = [data.suffix, ".index"]
    assert synced == [
        *(f"flushed {end}" for end in suffixes),
        *(f"renamed {end}" for end in suffixes),
        "flushed folder",
    ]


def test_what_lies_beside_an_index_that_is_a_link_is_beside_the_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "a.index").symlink_to("real/b.index")
    with staged(tmp_path / "a.index", ending=".partial.index") as stage:
        stage.path.write_bytes(b"index")
        stage.beside[0][0].write_bytes(b"data")
        stage.publish()
    assert (tmp_path / "real" / "b.index").read_bytes() == b"index"
    assert (tmp_path / "a.data-00000-of-00001").read_bytes() == b"data"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.data-00000-of-00001", "a.index", "b.index", "real"]


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free some space"), (errno.EDQUOT, "free some space"), (errno.EROFS, "another folder"),
        (errno.EACCES, "permission to write"), (errno.EPERM, "permission to write"), (errno.EIO, "another folder"),
    ],
)  # fmt: skip
def test_what_to_try_where_the_system_refuses(tmp_path, number, advice):
    def refused():
        raise OSError(number, os.strerror(number))

    with pytest.raises(OutputError, match=f"untouched. Try: .*{advice}"):
        checkpoints.write(tmp_path / "a.pth", None, [Outgoing.whole(SPEC, refused)])
    assert listed(tmp_path) == []


@pytest.mark.parametrize("length", [240, 300])
def test_a_name_that_is_too_long(tmp_path, length):
    """Longer than the system takes, or so long that no partial file beside it can be named after it."""
    with pytest.raises(OutputError, match="File name too long.*Try: a shorter name"), staged(tmp_path / ("a" * length)):
        pytest.fail("nothing can be written")
    assert listed(tmp_path) == []


def test_an_error_in_the_middle_is_told_where_the_partial_file_cannot_be_removed(tmp_path):
    def fail(stage):
        stage.path.unlink()
        stage.path.mkdir()  # as one that may not be removed
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match="No space left"), staged(tmp_path / "a.bin") as stage:
        fail(stage)


def test_time_is_not_in_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 2e9)
    checkpoints.write(tmp_path / "a.pth", None, outgoing([SPEC]))
    first = (tmp_path / "a.pth").read_bytes()
    monkeypatch.setattr(time, "time", lambda: 3e9)
    checkpoints.write(tmp_path / "a.pth", None, outgoing([SPEC]))
    assert (tmp_path / "a.pth").read_bytes() == first
