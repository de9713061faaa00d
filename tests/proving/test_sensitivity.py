"""Tensors that no output sees are named; all others are not."""

import json
from pathlib import Path

import numpy as np
import pytest

from xframe.mapping import load_table
from xframe.proving.probe import random_input
from xframe.proving.sensitivity import Sensitivity
from xframe.proving.sides import Side
from xframe.workflows.port import PortOptions
from xframe.workflows.port import port as carry_out

SMALL = {"in_channels": 1, "num_classes": 10, "use_residual": False}
DEAD_STAGES = (2, 3, 4)  # where a shortcut has layers of its own


@pytest.fixture(scope="module")
def ported(pool, tmp_path_factory):
    """lenet5_maxavg's random weights in every column, each as that column's own file."""
    folder, files = tmp_path_factory.mktemp("ported"), {}
    for column in load_table("lenet5_maxavg").implementations:
        files[column] = folder / f"{column.replace('/', '-')}.npz"
        weights = files.get("paddle") if column != "paddle" else None
        options = PortOptions(weights=weights, out=files[column], verify=False)
        carry_out("lenet5_maxavg", "paddle", column, options, pool=pool)
    return files


def moved(pool, files, column):
    """How far each tensor moves the outputs, by the table's row and role."""
    table = load_table("lenet5_maxavg")
    side = Side(pool, table, table.implementation(column), "sensitivity", "float32")
    arrays = np.load(files[column])
    side.load(pool.put("sensitivity", [(name, arrays[name], "float32") for name in arrays])).result()
    found = Sensitivity(side, random_input(table, 0)).moved()
    side.release()
    return {(entry.layer.place, entry.tensor.role): found[entry.names[column].name] for entry in table.entries}


@pytest.mark.parametrize("column", ["paddle/custom", "torch", "keras"])
def test_frameworks_agree_on_every_tensor(pool, ported, column):
    one, other = moved(pool, ported, "paddle"), moved(pool, ported, column)
    assert one.keys() == other.keys()
    assert len(one) == 10
    assert all(value > 1e-3 for value in one.values())
    assert list(other.values()) == pytest.approx(list(one.values()), rel=1e-3)


def dead(column, norm_names):
    """The tensors of the shortcuts in one column's own names."""
    layers = {"torch": ("layer{}.0.downsample.0", "layer{}.0.downsample.1", "."),
              "keras": ("layer{}_0_downsample_0", "layer{}_0_downsample_1", "/"),
              "paddle/custom": ("net.{}.0.shortcut", "net.{}.0.bn3", ".")}  # fmt: skip
    convolution, norm, separator = layers[column]
    kernel = "kernel" if column == "keras" else "weight"
    for stage in DEAD_STAGES:
        yield f"{convolution.format(stage)}{separator}{kernel}"
        yield from (f"{norm.format(stage)}{separator}{name}" for name in norm_names)


@pytest.mark.parametrize(
    ("source", "target", "names"),
    [
        ("torch", "paddle/custom", ("weight", "bias", "running_mean", "running_var")),
        ("paddle/custom", "torch", ("weight", "bias", "_mean", "_variance")),
        ("keras", "torch", ("gamma", "beta", "moving_mean", "moving_variance")),
    ],
)
def test_a_branch_that_reaches_no_output_is_unproven(port, source, target, names):
    result = port("resnet18", source, target, set=SMALL)
    assert result.verdict == "equivalent"
    assert set(result.proof.unproven) == set(dead(source, names))
    assert result.to_json()["tensors"]["unproven"] == list(result.proof.unproven)


@pytest.mark.parametrize("model", ["lenet5", "lenet5_subsampling", "mnist_cnn", "cifar_resnet"])
def test_no_false_alarm(port, model):
    assert port(model, "torch", "paddle").proof.unproven == ()


def test_strictly_nothing_is_written_while_a_tensor_is_unproven(port, tmp_path):
    out = tmp_path / "strict.npz"
    result = port("resnet18", "torch", "paddle/custom", set=SMALL, strict_proof=True, out=out)
    assert (result.verdict, result.exit_code, result.out) == ("unproven", 1, None)
    assert not out.exists()
    whole = SMALL | {"use_residual": True}
    result = port("resnet18", "torch", "paddle/custom", set=whole, strict_proof=True, out=out)
    assert (result.verdict, result.exit_code, result.out) == ("equivalent", 0, out)


@pytest.fixture
def changed(port, tmp_path):
    """Random weights of a column with some tensors replaced."""

    def file(model, column, **changes):
        drawn = port(model, column, column, out=tmp_path / "drawn.npz", verify=False, set=OPTIONS.get(model, {})).out
        arrays = dict(np.load(drawn))
        for name, change in changes.items():
            arrays[name] = change(arrays[name])
        np.savez(tmp_path / "changed.npz", **arrays)
        return tmp_path / "changed.npz"

    return file


OPTIONS = {"resnet18": {"in_channels": 1, "num_classes": 10}}


def test_what_a_scale_of_zero_hides_is_unproven(port, changed):
    weights = changed("resnet18", "torch", **{"layer1.0.bn1.weight": np.zeros_like})
    result = port("resnet18", "torch", "paddle/custom", weights=weights, set=OPTIONS["resnet18"])
    assert result.verdict == "equivalent"
    assert set(result.proof.unproven) == {
        "layer1.0.conv1.weight", "layer1.0.bn1.running_mean", "layer1.0.bn1.running_var",
    }  # fmt: skip


def test_a_saturated_softmax_sees_nothing(port, changed):
    weights = changed("mnist_cnn", "keras", **{"dense_1/kernel": lambda array: array * np.float32(1e5)})
    result = port("mnist_cnn", "keras", "torch", weights=weights)
    assert len(result.proof.unproven) == 10


def test_the_command_names_them(cli, tmp_path):
    settings = [f"--set={name}={str(value).lower()}" for name, value in SMALL.items()]
    done = cli("port", "resnet18", "torch", "paddle/custom", *settings, "--strict-proof")
    assert done.returncode == 1
    assert "layer2.0.downsample.0.weight, layer3.0.downsample.0.weight" in done.stdout
    assert "and 7 more: the outputs do not depend on them" in done.stdout
    done = cli("port", "resnet18", "torch", "paddle/custom", *settings, "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["verdict"], len(found["tensors"]["unproven"])) == (0, "equivalent", 15)
    certificate = json.loads((tmp_path / "resnet18.pdparams.xframe.json").read_text())
    assert len(certificate["unproven"]) == 15


def test_strict_proof_needs_a_proof(cli):
    done = cli("port", "lenet5", "torch", "paddle", "--strict-proof", "--no-verify")
    assert done.returncode == 2
    assert "--strict-proof adds to the proof" in done.stderr


@pytest.mark.parametrize(("source", "target"), [("torch", "paddle"), ("paddle", "torch")])
def test_what_no_gradient_reaches_is_moved_itself(port, source, target):
    """Buffers, and statistics with nothing behind them: they are seen, all but the one that does nothing."""
    found = port(Path(__file__).with_name("buffers.toml"), source, target)
    assert found.verdict == "equivalent"
    assert found.proof.unproven == ("spare",)


def test_a_zero_is_moved_too(port, tmp_path):
    """And the weights are what they were, afterwards."""
    table = Path(__file__).with_name("buffers.toml")
    drawn = dict(np.load(port(table, "paddle", "torch", out=tmp_path / "drawn.npz").out))
    drawn["shift"] = np.zeros_like(drawn["shift"])
    np.savez(tmp_path / "zero.npz", **drawn)
    found = port(table, "torch", "paddle", weights=tmp_path / "zero.npz")
    assert found.verdict == "equivalent"
    assert found.proof.unproven == ("spare",)
