"""ONNX exports of lenet5_maxavg, each by its framework's own exporter, held to the model that it came from."""

import numpy as np
import pytest

from xframe.errors import ModelError
from xframe.mapping import load_table
from xframe.proving.onnx.export import start_export
from xframe.proving.onnx.parity import Native, hold
from xframe.proving.outputs import BothPrecisions
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
def native(pool):
    """A built column of lenet5_maxavg that ran over a probe."""

    def build(column, change=lambda probe: probe):
        table = load_table("lenet5_maxavg")
        side = Side(pool, table, table.implementation(column), "onnx-test", "float32")
        probe = change(random_input(table, 0))
        exact, rounded = (side.run(probe, dtype)().arrays for dtype in ("float64", "float32"))
        return Native(side=side, probe=probe, outputs=BothPrecisions(float64=exact, float32=rounded))

    return build


def parity(pool, native):
    """Of an export that is made now."""
    return hold(start_export(pool, native.side, native.probe)(), native)


@pytest.mark.parametrize("column", COLUMNS)
def test_an_export_of_another_models_weights_fails(pool, native, column):
    """Exported after its weights have changed, the graph must not pass for the model that it was."""
    ran = native(column)
    assert parity(pool, ran)
    state = {name: extent.map() for name, extent in ran.side.state()().items()}
    name = next(name for name in state if "conv3" in name and "bias" not in name)
    state[name] = state[name] + np.float32(1e-2)
    ran.side.load(pool.put("changed", [(key, array, "float32") for key, array in state.items()])).result()
    found = parity(pool, ran)
    assert not found
    assert not found.comparison
    assert not found.float64


@pytest.mark.parametrize("column", ["paddle", "keras"])
def test_the_batch_is_dynamic_and_the_layout_is_the_implementations(pool, native, column):
    ran = native(column, lambda probe: np.concatenate([probe, probe[::-1], probe]))
    assert len(ran.outputs.float64[0]) == 6
    found = parity(pool, ran)
    assert found
    assert {run.batch for run in found.runs} == {6, 1}


def test_an_exporter_that_fails_is_one_error_with_its_words(pool, native):
    ran = native("torch")
    with pytest.raises(ModelError, match="torch.onnx cannot export torch: ") as failed:
        start_export(pool, ran.side, ran.probe[:, :, :7])()
    assert "\n" not in str(failed.value)


def test_the_command_prints_the_parity(cli):
    done = cli("port", "lenet5_maxavg", "torch", "paddle", "--onnx")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("holds: max |a−b|") == 2
