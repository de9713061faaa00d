"""Paddle's tables of chunked arrays, sound and otherwise."""

import pickle

import numpy as np
import pytest

from xframe import checkpoints
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


def test_chunks(tmp_path):
    path = tmp_path / "a.pdparams"
    table = {"w": {"OriginShape": (2, 3), "slices": ["w@@.0", "w@@.1"]}}
    for protocol in (2, 3):
        tree = {"w@@.0": np.arange(4.0), "w@@.1": np.arange(4.0, 6.0), "UnpackBigParamInfor@@": table}
        path.write_bytes(pickle.dumps(tree, protocol))
        read = checkpoints.read(path)
        assert np.array_equal(read.tensors["w"].array(), np.arange(6.0).reshape(2, 3))
        assert list(read.tensors) == ["w"]
