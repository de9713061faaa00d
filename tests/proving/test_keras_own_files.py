"""Keras's own files of another dtype than the model's: Keras converts them while it loads, xframe does not."""

import numpy as np
import pytest

from xframe import checkpoints
from xframe.errors import PlanError
from xframe.workflows.diff import DiffOptions, diff


@pytest.fixture
def held(port, tmp_path):
    """LeNet-5 as PyTorch's file and as Keras's, in one dtype."""

    def of(dtype):
        torch = port("lenet5_maxavg", "paddle", "torch", out=tmp_path / "a.pth", dtype=dtype, verify=False).out
        keras = port("lenet5_maxavg", "torch", "keras", weights=torch, out=tmp_path / "a.weights.h5", dtype=dtype).out
        return torch, keras

    return of


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_diff_reads_them_on_either_side(pool, held, dtype):
    torch, keras = held(dtype)
    for files in (
        {"source_weights": torch, "target_weights": keras}, {"target_weights": keras}, {"source_weights": torch},
    ):  # fmt: skip
        assert diff("lenet5_maxavg", "torch", "keras", DiffOptions(**files), pool=pool).verdict == "equivalent"
    turned = DiffOptions(source_weights=keras, target_weights=torch)
    found = diff("lenet5_maxavg", "keras", "torch", turned, pool=pool)
    assert (found.verdict, found.tensors) == ("equivalent", ())


def test_port_does_not_convert_them_unasked(port, held):
    _, keras = held("float64")
    with pytest.raises(PlanError, match=r"gives float64.*declares float32.*--dtype float32"):
        port("lenet5_maxavg", "keras", "torch", weights=keras)
    assert port("lenet5_maxavg", "keras", "torch", weights=keras, dtype="float32").verdict == "equivalent"
    out = port("lenet5_maxavg", "keras", "torch", weights=keras, dtype="float64").out
    values = checkpoints.read(out).tensors["conv1.weight"].array()
    assert values.dtype == np.float64
