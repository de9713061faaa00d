"""How a layout becomes a file: every byte at its place whatever the system does, and an end at the first error."""

import errno
import os
import resource
import signal
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import array_of, outgoing

from xframe import checkpoints
from xframe.checkpoints import Outgoing, pouring
from xframe.checkpoints.pouring import Layout, Slot, pour
from xframe.digests import digest
from xframe.errors import OutputError
from xframe.tensors import TensorSpec

FORMATS = [".pth", ".pdparams", ".safetensors", ".npz"]
SPECS = [TensorSpec("a", (50, 3), "float32"), TensorSpec("b", (77,), "uint8"), TensorSpec("c", (4, 5, 6), "float64")]


def in_pieces(spec, seed, count=3):
    """The same tensor as ``outgoing`` gives, in several strips."""
    whole = array_of(spec, seed).reshape(-1)
    return Outgoing(spec, lambda: iter(np.array_split(whole, count)))


@pytest.fixture(params=["compiled", "python"])
def way(request, monkeypatch):
    if request.param == "python":
        monkeypatch.setattr(pouring, "pieces", None)
    return request.param


@pytest.fixture
def handle(tmp_path):
    opened = os.open(tmp_path / "written", os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


@pytest.mark.parametrize("offset", [0, 1, 4097, 2**16 - 1, 2**16, 2**33 + 5])
@pytest.mark.parametrize("size", [0, 1, 2**16 - 1, 2**16, 2**18 + 3])
def test_all_of_it_is_written_where_it_belongs(way, handle, offset, size):
    data = np.random.default_rng(size).bytes(size)
    pouring._write(handle, data, offset)
    assert os.fstat(handle).st_size == (offset + size if size else 0)
    assert os.pread(handle, size + 1, offset) == data


def test_numbers_are_written_as_they_lie(way, handle):
    numbers = np.arange(2**16, dtype=np.complex128)
    pouring._write(handle, numbers.data, 24)
    assert os.pread(handle, numbers.nbytes, 24) == numbers.tobytes()
    pouring._write(handle, np.empty((0, 3)).data, 0)
    assert os.pread(handle, 24, 0) == bytes(24)
    with pytest.raises((BufferError, TypeError)):
        pouring._write(handle, numbers[::2].data, 0)


def test_a_write_that_is_refused_leaves_its_turn_to_the_next(way, handle):
    other = os.open(f"/proc/self/fd/{handle}", os.O_RDONLY)
    with pytest.raises(OSError, match="Bad file descriptor"):
        pouring._write(other, b"no", 0)
    os.close(other)
    writer = threading.Thread(target=pouring._write, args=(handle, b"yes", 0), daemon=True)
    writer.start()
    writer.join(10)
    assert os.pread(handle, 4, 0) == b"yes"


@pytest.fixture
def busy(handle):
    """Another thread that writes, over and over, up to the length that this gives."""
    stop, block = threading.Event(), bytes(2**24)

    def write_on():
        while not stop.is_set():
            pouring._write(handle, block, 0)

    writer = threading.Thread(target=write_on)
    writer.start()
    yield len(block)
    stop.set()
    writer.join()


def test_a_child_process_does_not_wait_for_a_turn_of_its_parent(handle, busy):
    for _ in range(20):
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # not the one that ends a test
            signal.alarm(5)
            pouring._write(handle, b"x", busy)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0


def test_who_does_not_wait_is_told_whether_it_was_written(handle, busy):
    """Both happen while another thread writes most of the time."""
    told, deadline = [], time.monotonic() + 60
    while len(set(told)) < 2 and time.monotonic() < deadline:
        place = busy + 8 * len(told)
        told.append(pouring._write(handle, b"x", place, wait=False))
        assert os.pread(handle, 1, place) == (b"x" if told[-1] else b"")
    assert set(told) == {True, False}


@pytest.mark.parametrize("extension", FORMATS)
def test_a_strip_is_summed_first_while_another_thread_writes(tmp_path, monkeypatch, extension):
    """The same file, whoever is first; here nobody's turn comes unless waited for."""
    checkpoints.write(tmp_path / f"free{extension}", None, outgoing(SPECS))
    write = pouring._write
    monkeypatch.setattr(pouring, "_write", lambda *what, wait=True: wait and write(*what))
    checkpoints.write(tmp_path / f"busy{extension}", None, outgoing(SPECS))
    assert (tmp_path / f"busy{extension}").read_bytes() == (tmp_path / f"free{extension}").read_bytes()


@pytest.fixture
def size_limit():
    """A file may not be longer: the system takes what fits of one write, and refuses the next."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    yield 300_000
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_does_not_fit_is_an_error_with_its_reason(way, handle, size_limit):
    with pytest.raises(OSError, match="File too large") as raised:
        pouring._write(handle, bytes(400_000), 7)
    assert raised.value.errno == errno.EFBIG
    assert os.fstat(handle).st_size == size_limit


def test_a_closed_file_is_an_error(way):
    with pytest.raises(OSError, match="Bad file descriptor"):
        pouring._write(-1, b"data", 0)


@pytest.mark.parametrize("extension", FORMATS)
def test_a_system_that_takes_a_few_bytes_at_once(tmp_path, monkeypatch, extension):
    monkeypatch.setattr(pouring, "pieces", None)
    checkpoints.write(tmp_path / f"whole{extension}", None, outgoing(SPECS))
    pwrite = os.pwrite
    monkeypatch.setattr("os.pwrite", lambda handle, data, offset: pwrite(handle, data[:7], offset))
    checkpoints.write(tmp_path / f"parts{extension}", None, outgoing(SPECS))
    assert (tmp_path / f"parts{extension}").read_bytes() == (tmp_path / f"whole{extension}").read_bytes()


@pytest.mark.parametrize("extension", FORMATS)
def test_strips_give_the_same_file_checksums_and_digests_as_one_piece(tmp_path, extension):
    checkpoints.write(tmp_path / f"one{extension}", None, outgoing(SPECS))
    told = []
    tensors = [in_pieces(spec, seed) for seed, spec in enumerate(SPECS)]
    poured = checkpoints.write(tmp_path / f"many{extension}", None, tensors, digests=True, tell=told.append)
    assert (tmp_path / f"many{extension}").read_bytes() == (tmp_path / f"one{extension}").read_bytes()
    wanted = {spec.name: digest(array_of(spec, seed)) for seed, spec in enumerate(SPECS)}
    assert {tensor.spec.name: tensor.digest for tensor in poured} == wanted
    assert (sum(told), len(told)) == (sum(spec.nbytes for spec in SPECS), 9)


@pytest.mark.parametrize("extension", [".pth", ".npz"])
def test_the_archive_s_checksums_are_those_of_zipfile(tmp_path, extension):
    checkpoints.write(tmp_path / f"a{extension}", None, [in_pieces(spec, 0) for spec in SPECS])
    with zipfile.ZipFile(tmp_path / f"a{extension}") as archive:
        assert archive.testzip() is None
        assert all(info.CRC for info in archive.infolist() if info.filename.endswith(".npy"))


@pytest.mark.parametrize(
    "strips",
    [
        [], [np.zeros(2, "f4")], [np.zeros(4, "f4")], [np.zeros(3, "i4")], [np.zeros(12, "u1")],
        [np.zeros(2, "f4"), np.zeros(2, "f4")], [np.zeros(3, "f4"), np.zeros(1, "f4")], [np.zeros(1, "f4")] * 2,
    ],
)  # fmt: skip
@pytest.mark.parametrize("extension", FORMATS)
def test_strips_that_are_not_what_was_said_are_refused(tmp_path, extension, strips):
    """Each would leave a hole in the file, write into the next tensor, or change its meaning."""
    tensor = Outgoing(TensorSpec("x", (3,), "float32"), lambda: iter(strips))
    with pytest.raises(OutputError, match="x float32.*expected 12 bytes; found"):
        checkpoints.write(tmp_path / f"a{extension}", None, [tensor, *outgoing(SPECS)])
    assert list(tmp_path.iterdir()) == []


def test_a_strip_that_is_too_long_is_not_written_into_the_next_tensor(tmp_path):
    (tmp_path / "a").write_bytes(b"\xff" * 20)
    tensor = Outgoing(TensorSpec("x", (3,), "uint8"), lambda: iter([np.zeros(2, "u1"), np.zeros(2, "u1")]))
    with pytest.raises(OutputError):
        pour(tmp_path / "a", Layout(pieces=[], slots=[Slot(0, tensor)]))
    assert (tmp_path / "a").read_bytes() == b"\0\0" + b"\xff" * 18


def endless(asked):
    while True:
        asked.append(time.monotonic())
        assert len(asked) < 1000
        time.sleep(0.01)
        yield np.zeros(0, "u1")


@pytest.mark.parametrize("first", [0, 1, 2])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_the_first_error_ends_the_others_at_their_next_strip(tmp_path, monkeypatch, first, error):
    """Wherever in the file's order it happens: a full disk must not wait for the tensors before."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    asked = []

    def fail():
        while len(asked) < 4:
            time.sleep(0.01)
        raise error

    spec = TensorSpec("x", (9,), "uint8")
    tensors = [Outgoing(spec, lambda: endless(asked)) for _ in range(3)]
    tensors[first] = Outgoing(spec, fail)
    slots = [Slot(9 * index, tensor) for index, tensor in enumerate(tensors)]
    (tmp_path / "a").touch()
    with pytest.raises(error):
        pour(tmp_path / "a", Layout(pieces=[], slots=slots))
    assert len(asked) < 100


def test_nothing_stays_open(tmp_path):
    (tmp_path / "a").touch()
    good, bad = Outgoing(SPECS[1], lambda: [array_of(SPECS[1])]), Outgoing(SPECS[1], list)
    before = open_files()
    pour(tmp_path / "a", Layout(pieces=[(77, b"end")], slots=[Slot(0, good)]))
    with pytest.raises(OutputError):
        pour(tmp_path / "a", Layout(pieces=[], slots=[Slot(0, bad)]))
    assert open_files() == before
    assert (tmp_path / "a").read_bytes() == array_of(SPECS[1]).tobytes() + b"end"


def open_files():
    return sorted(str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink())
