"""Arrays travel as mapped files, exact to the bit."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sessions import SITE, descriptors

from xframe import exchange, tensors
from xframe.tensors import STORAGE, Extent

shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@st.composite
def arrays(draw):
    """Any bits, in any storage dtype, contiguous or not."""
    dtype, shape = draw(st.sampled_from(sorted(STORAGE))), draw(shapes)
    storage = STORAGE[dtype]
    size = int(np.prod(shape)) * storage.itemsize
    bits = np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8)
    array = (bits & 1 if dtype == "bool" else bits).view(storage).reshape(shape)
    return draw(st.sampled_from([array, array.T, np.asfortranarray(array)])), dtype


# A test's own list takes the place of the profile's.
UNHURRIED = [*settings().suppress_health_check, HealthCheck.function_scoped_fixture]


@settings(max_examples=150, deadline=None, suppress_health_check=UNHURRIED)
@given(held=st.lists(arrays(), max_size=4))
def test_every_dtype_and_shape_arrives_to_the_bit(tmp_path, held):
    placed = exchange.put(tmp_path, "test", [(f"ü{index}", *one) for index, one in enumerate(held)])
    assert [name for name, _ in placed] == [f"ü{index}" for index in range(len(held))]
    for (array, dtype), (_, message) in zip(held, placed, strict=True):
        found = exchange.get(message)
        assert (found.shape, found.dtype, message[3]) == (array.shape, STORAGE[dtype], dtype)
        assert found.tobytes() == array.tobytes()
        assert message[1] % exchange.ALIGNMENT == 0
        assert not found.size or not found.flags.writeable
        if array.size:
            assert Extent.from_message(message).map().tobytes() == array.tobytes()


@pytest.mark.parametrize(("array", "dtype"), [
    (np.zeros(2, ">f4"), "float32"),
    (np.zeros(2, np.float64), "float32"),
    (np.zeros(2, np.float32), "bfloat16"),
    (np.array([object()]), "object"),
    (np.array(["a"]), "str32"),
    (np.zeros(2, np.longdouble), "longdouble"),
])  # fmt: skip
def test_an_array_that_is_not_in_its_storage_is_refused(tmp_path, array, dtype):
    with pytest.raises(ValueError, match=f"'name' cannot travel: its dtype is {dtype}, stored as "):
        exchange.put(tmp_path, "test", [("name", array, dtype)])


OUTSIDE = [
    (0, (17,), (1,)), (16, (1,), (1,)), (-1, (4,), (1,)), (15, (2,), (1,)), (0, (2,), (16,)), (0, (2, 2), (8, 9)),
    (0, (2,), (-1,)), (2**62, (1,), (1,)), (0, (2**62,), (1,)), (0, (2,), (2**62,)),
]  # fmt: skip


@pytest.mark.parametrize("place", OUTSIDE, ids=str)
@pytest.mark.parametrize("read", [exchange.get, lambda message: Extent.from_message(message).map()], ids=["get", "map"])
def test_a_place_outside_the_file_is_refused(tmp_path, place, read):
    path = tmp_path / "file"
    path.write_bytes(bytes(16))
    offset, shape, strides = place
    with pytest.raises((ValueError, TypeError)):
        read((str(path), offset, shape, "uint8", strides))


def test_a_file_that_is_gone(tmp_path):
    with pytest.raises(FileNotFoundError):
        exchange.get((str(tmp_path / "gone"), 0, (1,), "uint8", (1,)))


def test_a_file_that_was_replaced_is_read_anew(tmp_path):
    path = tmp_path / "file"
    held = []
    for value in range(3):
        (tmp_path / "new").write_bytes(bytes([value]))
        (tmp_path / "new").replace(path)
        held.append(exchange.get((str(path), 0, (1,), "uint8", (1,))))
    assert [int(array[0]) for array in held] == [0, 1, 2]


def test_no_file_is_written_over(tmp_path, monkeypatch):
    monkeypatch.setattr(exchange, "_counter", iter([1, 1]))
    exchange.put(tmp_path, "test", [])
    with pytest.raises(FileExistsError):
        exchange.put(tmp_path, "test", [])


def test_more_tensors_than_descriptors(tmp_path):
    """Each mapping holds a file descriptor; a large model has more tensors than the usual 1024."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    placed = exchange.put(tmp_path, "test", ((str(n), np.full(1, n), "int64") for n in range(300)))
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors() + 100, limits[1]))
    try:
        held = [exchange.get(message) for _, message in placed]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert [int(array[0]) for array in held] == list(range(300))


def test_a_mapping_ends_with_its_arrays(tmp_path):
    before = len(tensors._mapped)  # what other tests' fixtures hold in this process
    ((_, message),) = exchange.put(tmp_path, "test", [("a", np.zeros(3), "float64")])
    array = exchange.get(message)
    assert len(tensors._mapped) == before + 1
    del array
    assert len(tensors._mapped) == before


def test_the_exchange_needs_numpy_alone():
    code = "import sys, xframe.exchange; print(*{name.split('.')[0] for name in sys.modules} - sys.stdlib_module_names)"
    found = subprocess.run(
        [sys.executable, "-S", "-c", code], check=True, capture_output=True, text=True, env=_path()
    ).stdout
    assert {name for name in found.split() if not name.startswith("_")} == {"numpy", "xframe"}


def _path():
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(exchange.__file__).parents[1]), str(SITE)])}
