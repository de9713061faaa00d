"""Strips are the C order of the array, to the bit, whatever its strides; and they are small."""

import math
import subprocess
import sys
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from xframe import strips as module
from xframe import turning
from xframe.digests import digest
from xframe.strips import LARGEST, strips
from xframe.tensors import Extent

LARGE = [
    ((1500, 700), (1, 0)),
    ((64, 3, 7, 7), (2, 3, 1, 0)),
    ((96, 300, 3, 3), (2, 3, 1, 0)),
    ((3, 3, 300, 96), (3, 2, 0, 1)),
    ((40, 128, 7, 7), (2, 3, 1, 0)),
    ((2, 300_000), (1, 0)),
    ((300_000, 2), (1, 0)),
    ((3_000_000,), (0,)),
]  # fmt: skip


def joined(array):
    parts = [strip.copy() for strip in strips(array)]
    assert all(part.ndim == 1 and part.nbytes <= LARGEST for part in parts)
    return np.concatenate(parts) if parts else np.empty(0, array.dtype)


def same(array):
    return joined(array).tobytes() == np.ascontiguousarray(array).tobytes()


def numbers(shape, dtype="u4"):
    return np.arange(math.prod(shape), dtype=dtype).reshape(shape)


@pytest.mark.parametrize(("shape", "order"), LARGE)
@pytest.mark.parametrize("dtype", ["u1", "f4", "c16"])
def test_large_transposed_arrays(shape, order, dtype):
    assert same(numbers(shape, dtype).transpose(order))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_strides(data):
    """Axes in any order, reversed, with steps, repeated by stride 0; tiles and strips so small that all are cut."""
    shape = data.draw(st.lists(st.integers(0, 9), max_size=5).map(tuple))
    array = numbers(shape).transpose(data.draw(st.permutations(range(len(shape)))))
    array = array[tuple(slice(None, None, data.draw(st.sampled_from([1, 1, 2, -1]))) for _ in shape)]
    if data.draw(st.booleans()):
        array = np.broadcast_to(array, (3, *array.shape))
    largest = data.draw(st.sampled_from([64, 1024]))
    with small(largest) as patch:
        for home, name in ((module, "STRIP"), (turning, "_TILE"), (module, "_CONTIGUOUS")):
            patch.setattr(home, name, min(data.draw(st.sampled_from([4, 16, 64, 1024])), largest))
        patch.setattr(turning, "words", data.draw(st.sampled_from([None, turning.words])))
        patch.setattr(module, "_KEPT", data.draw(st.sampled_from([1, 100, 2**26])))
        found = [(strip.tobytes(), strip.nbytes, strip.flags.c_contiguous, strip.ndim) for strip in strips(array)]
    assert b"".join(strip for strip, *_ in found) == np.ascontiguousarray(array).tobytes()
    assert all(0 < nbytes <= largest and contiguous and ndim == 1 for _, nbytes, contiguous, ndim in found)


def test_windows_that_overlap_and_axes_that_repeat_in_the_middle():
    """Views as PyTorch saves them: ``unfold`` and ``expand``."""
    line = numbers((9,))
    for length in (2, 3, 5):
        assert same(np.lib.stride_tricks.sliding_window_view(line, length))
    assert same(np.broadcast_to(numbers((5, 1)), (5, 3)))
    assert same(np.broadcast_to(numbers((5, 1, 2)), (5, 3, 2)))


@contextmanager
def small(largest):
    """Room for strips of that size, and none from before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LARGEST", largest)
        patch.setattr(module, "_rooms", [])
        yield patch


def test_arrays_that_are_cut_at_the_same_time_do_not_share_their_room():
    arrays = [numbers((700, 300)).T, numbers((500, 400))[::-1].T]
    together = [b"", b""]
    for pair in zip_longest(*map(strips, arrays), fillvalue=np.empty(0, "u4")):
        together = [whole + strip.tobytes() for whole, strip in zip(together, pair, strict=True)]
    assert together == [np.ascontiguousarray(array).tobytes() for array in arrays]


def test_room_is_kept_for_the_next_array():
    with small(module.LARGEST):
        for _ in range(3):
            assert same(numbers((600, 700)).T)
            assert len(module._rooms) == 1


def test_a_digest_is_that_of_the_dense_bytes():
    array = numbers((1500, 700)).T
    assert digest(array) == "blake3:" + blake3(np.ascontiguousarray(array).tobytes()).hexdigest()


PROGRAM = """
import resource, sys
from pathlib import Path
from xframe.strips import strips
from xframe.tensors import Extent

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000

path, order = Path(sys.argv[1]), sys.argv[2]
before = peak()
array = Extent.dense(path, 0, (60, 1000, 1000), "float32").map()
orders = {"straight": array, "turned": array.reshape(6000, 10_000).T, "turned in pieces": array.transpose(0, 2, 1)}
assert not any(strip.any() for strip in strips(orders[order]))
print(peak() - before)
"""


@pytest.mark.parametrize("order", ["straight", "turned", "turned in pieces"])
def test_memory_does_not_grow_with_a_mapped_array(tmp_path, order):
    """240 MB go by; what stays resident is a few strips and the pages between two releases."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(240_000_000)
    done = subprocess.run([sys.executable, "-c", PROGRAM, path, order], check=True, capture_output=True, text=True)
    assert float(done.stdout) < 120
    assert Extent.dense(path, 0, (60_000_000,), "float32").map()[-1] == 0


def resident():
    """Bytes of mapped files that are in this process's memory."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("RssFile:")[2].split()[0])


@pytest.mark.parametrize("order", ["turned", "straight"])
def test_pages_of_an_array_too_small_for_that_are_given_back_at_its_end(tmp_path, order):
    path = tmp_path / "small"
    path.write_bytes(bytes(36_000_000))
    array = Extent.dense(path, 0, (3000, 3000), "float32").map()
    array = array.T if order == "turned" else array
    before = resident()
    most = max(resident() for strip in strips(array) if not strip.any())
    assert most - before > 10_000_000
    assert resident() - before < 2_000_000
