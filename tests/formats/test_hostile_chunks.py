"""Paddle's tables of chunked arrays, sound and otherwise."""

import pickle

import numpy as np
import pytest

from xframe import checkpoints
from xframe.checkpoints.budget import Budget
from xframe.errors import CheckpointError


@pytest.mark.parametrize(
    "table",
    [
        {"w": {"OriginShape": (2, 2), "slices": ["w@@.0"]}},
        {"w": {"OriginShape": (2, 2), "slices": ["w@@.0", "w@@.0"]}},
        {"w": {"OriginShape": (2, 2), "slices": ["w@@.1", "w@@.0"]}},
        {"w": {"OriginShape": (2, 2), "slices": ["w@@.0", "w@@.1", "w@@.2"]}},
        {"w": {"OriginShape": (2, 3), "slices": ["w@@.0", "w@@.1"]}},
        {"w": {"OriginShape": (-2, -2), "slices": ["w@@.0", "w@@.1"]}},
        {"w": {"OriginShape": (0, 2), "slices": []}},
        {"b": {"OriginShape": (2, 2), "slices": ["w@@.0", "w@@.1"]}},
        {"w": {"slices": ["w@@.0", "w@@.1"]}},
        {"w": 1},
        [1],
    ],
)
def test_a_table_of_chunks_that_does_not_add_up(tmp_path, table):
    tree = {"w@@.0": np.ones(2), "w@@.1": np.ones(2), "b": np.ones(1), "UnpackBigParamInfor@@": table}
    (tmp_path / "a.pdparams").write_bytes(pickle.dumps(tree, 3))
    with pytest.raises(CheckpointError, match="table of pieces"):
        checkpoints.read(tmp_path / "a.pdparams")


def test_a_chunked_array_that_is_there_whole_too(tmp_path):
    table = {"w": {"OriginShape": (2,), "slices": ["w@@.0"]}}
    tree = {"w": np.ones(2), "w@@.0": np.ones(2), "UnpackBigParamInfor@@": table}
    (tmp_path / "a.pdparams").write_bytes(pickle.dumps(tree, 3))
    with pytest.raises(CheckpointError, match="table of pieces"):
        checkpoints.read(tmp_path / "a.pdparams")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.ones(2, "f4"), np.ones(2)), (np.ones((1, 2)), np.ones(2)), (np.array(1.0), np.ones(3)),
        ("text", np.ones(4)), ([np.ones(2)], np.ones(2)), (np.ones(2, ">f8"), np.ones(2)), (np.ones(2**10), np.ones(2)),
    ],
)  # fmt: skip
def test_pieces_that_do_not_fit_together(tmp_path, first, second):
    table = {"w": {"OriginShape": (2, 2), "slices": ["w@@.0", "w@@.1"]}}
    tree = {"w@@.0": first, "w@@.1": second, "UnpackBigParamInfor@@": table}
    (tmp_path / "a.pdparams").write_bytes(pickle.dumps(tree, 3))
    with pytest.raises(CheckpointError, match="table of pieces|little-endian"):
        checkpoints.read(tmp_path / "a.pdparams")


def test_joined_chunks_are_within_the_budget_or_refused_before_they_are_joined(tmp_path):
    table = {"w": {"OriginShape": (2, 2), "slices": ["w@@.0", "w@@.1"]}}
    tree = {"w@@.0": np.ones(2, "u2"), "w@@.1": np.ones(2, "u2"), "UnpackBigParamInfor@@": table}
    (tmp_path / "a.pdparams").write_bytes(pickle.dumps(tree, 3))
    (held,) = checkpoints.read(tmp_path / "a.pdparams", Budget(8)).tensors.values()
    assert (str(held.spec), held.extent, held.array().tolist()) == ("w bfloat16[2, 2]", None, [[1, 1], [1, 1]])
    with pytest.raises(CheckpointError, match="at most 7 bytes"):
        checkpoints.read(tmp_path / "a.pdparams", Budget(7))


def test_chunks(tmp_path):
    path = tmp_path / "a.pdparams"
    table = {"w": {"OriginShape": (2, 3), "slices": ["w@@.0", "w@@.1"]}}
    for protocol in (2, 3):
        tree = {"w@@.0": np.arange(4.0), "w@@.1": np.arange(4.0, 6.0), "UnpackBigParamInfor@@": table}
        path.write_bytes(pickle.dumps(tree, protocol))
        read = checkpoints.read(path)
        assert np.array_equal(read.tensors["w"].array(), np.arange(6.0).reshape(2, 3))
        assert list(read.tensors) == ["w"]
