"""Inputs and random weights: seeded, finite, and no tensor like another."""

import numpy as np
import pytest

from xframe.errors import UsageError
from xframe.mapping import load_table
from xframe.proving.probe import random_input, random_weights, read_input
from xframe.tensors import TensorSpec


@pytest.fixture(scope="module")
def table():
    return load_table("resnet18")


def specs(table, implementation):
    entries = [entry for entry in table.entries if implementation in entry.names]
    names = [(entry.names[implementation].name, entry) for entry in entries]
    return {
        name: TensorSpec(name, entry.shape(implementation), entry.tensor.dtype or "float32") for name, entry in names
    }


def drawn(table, implementation, seed=0):
    return {name: array for name, array, _ in random_weights(table, implementation, specs(table, implementation), seed)}


def test_weights_are_seeded(table):
    first, again, other = drawn(table, "paddle"), drawn(table, "paddle"), drawn(table, "paddle", seed=1)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not any(np.array_equal(first[name], other[name]) for name in first)


def test_no_tensor_is_like_another_and_none_is_constant(table):
    weights = drawn(table, "paddle")
    assert len({array.tobytes() for array in weights.values()}) == len(weights) == 102
    assert all(array.std() > 0.01 for array in weights.values())


def test_variances_are_positive_and_all_is_finite(table):
    weights = drawn(table, "torch")
    assert all(np.isfinite(array).all() for array in weights.values())
    assert all((array > 0.1).all() for name, array in weights.items() if name.endswith("running_var"))


def test_what_only_this_side_has_stays_at_its_fill(table):
    weights = drawn(table, "paddle/custom")
    assert not weights["net.0.0.bias"].any()
    assert not drawn(table, "torch")["bn1.num_batches_tracked"].any()


def test_every_input_of_the_batch_differs(table):
    probe = random_input(table, 0)
    assert probe.shape == (2, 3, 224, 224)
    assert probe.dtype == np.float32
    assert not np.array_equal(probe[0], probe[1])
    assert not np.array_equal(probe, random_input(table, 1))


def save(path, array):
    np.save(path, array)
    return path


def test_an_input_of_ones_own(table, tmp_path):
    path = save(tmp_path / "x.npy", np.ones((5, 3, 64, 64), np.uint8))
    assert read_input(path, table).shape == (5, 3, 64, 64)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.ones((3, 224, 224)), "expected an input of shape"),
        (np.ones((1, 224, 224, 3)), "expected an input of shape"),
        (np.ones((0, 3, 224, 224)), "expected an input of shape"),
        (np.full((1, 3, 4, 4), np.nan), "NaN or Inf"),
        (np.full((1, 3, 4, 4), "a"), "expected numbers"),
        (np.full((1, 3, 4, 4), None), "cannot be read"),
    ],
)
def test_an_input_that_proves_nothing_is_refused(table, tmp_path, array, reason):
    path = tmp_path / "x.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(UsageError, match=reason):
        read_input(path, table)


def test_a_file_that_is_no_npy_is_refused(table, tmp_path):
    path = tmp_path / "x.npy"
    path.write_bytes(b"not an array")
    with pytest.raises(UsageError, match="cannot be read as a .npy file"):
        read_input(path, table)
