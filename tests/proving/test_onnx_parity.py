"""ONNX exports in onnxruntime, each by its framework's own exporter, held to the model that it came from."""

import numpy as np
import pytest

from xframe.errors import ModelError
from xframe.mapping import load_table
from xframe.proving.onnx.parity import export_parity
from xframe.proving.probe import random_input
from xframe.proving.sides import Side

COLUMNS = ("paddle", "paddle/custom", "torch", "keras")


@pytest.mark.parametrize(("source", "target"), [("paddle", "torch"), ("paddle/custom", "keras")])
def test_port_holds_both_exports_to_the_verdict(port, source, target):
    result = port("lenet5_maxavg", source, target, onnx=True)
    assert result.verdict == "equivalent"
    assert [parity.implementation for parity in result.proof.parities] == [source, target]
    for parity in result.proof.parities:
        assert 0 < parity.comparison.max_abs <= parity.bound
        assert parity.bytes > 240_000  # the weights are in the graph
    figures = result.to_json()["onnx"]
    assert list(figures) == [source, target]
    assert all(found["passed"] and found["max_abs"] <= found["bound"] for found in figures.values())


@pytest.fixture
def side(pool):
    """A built column of lenet5_maxavg with a probe, its float64 outputs and its float32 noise."""

    def build(column):
        table = load_table("lenet5_maxavg")
        side = Side(pool, table, table.implementation(column), "onnx-test", "float32")
        probe = random_input(table, 0)
        exact, rounded = (side.run(probe, dtype)().arrays for dtype in ("float64", "float32"))
        return side, probe, exact, float(np.abs(exact[0] - rounded[0]).max())

    return build


@pytest.mark.parametrize("column", COLUMNS)
def test_an_export_of_another_models_weights_fails(pool, side, column):
    """Exported after its weights have changed, the graph must not pass for the model that it was."""
    built, probe, exact, noise = side(column)
    assert export_parity(pool, built, probe, exact, noise).comparison
    state = {name: extent.map() for name, extent in built.state()().items()}
    name = next(name for name in state if "conv3" in name and "bias" not in name)
    state[name] = state[name] + np.float32(1e-2)
    built.load(pool.put("changed", [(key, array, "float32") for key, array in state.items()])).result()
    assert not export_parity(pool, built, probe, exact, noise).comparison


@pytest.mark.parametrize("column", ["paddle", "keras"])
def test_the_batch_is_dynamic_and_the_layout_is_the_implementations(pool, side, column):
    built, probe, _, noise = side(column)
    larger = np.concatenate([probe, probe[::-1], probe])
    exact = built.run(larger, "float64")().arrays
    assert len(exact[0]) == 6
    assert export_parity(pool, built, larger, exact, noise).comparison


def test_an_exporter_that_fails_is_one_error_with_its_words(pool, side):
    built, probe, exact, noise = side("torch")
    with pytest.raises(ModelError, match="export_onnx"):
        export_parity(pool, built, probe[:, :, :7], exact, noise)


def test_the_command_prints_the_parity(cli):
    done = cli("port", "lenet5_maxavg", "torch", "paddle", "--onnx")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("holds: max |a−b|") == 2
