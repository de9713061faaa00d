"""``xframe diff``: layer by layer, with weights of either side, and gradients."""

import json

import numpy as np
import pytest
from planted import PAIRS, ROUND, Sheet

from xframe.errors import PlanError, UsageError
from xframe.workflows.diff import DiffOptions
from xframe.workflows.diff import diff as carry_out

LAYERS = ["conv1", "bn1", "conv2", "bn2", "conv3", "dense1", "square", "dense2"]


@pytest.fixture
def diff(pool, tmp_path):
    """The diff of a Sheet."""

    def run(sheet, **options):
        table = sheet.write(tmp_path / "small.toml")
        return carry_out(str(table), sheet.source, sheet.target, DiffOptions(**options), pool=pool)

    return run


@pytest.fixture
def spoilt(plant, tmp_path):
    """A right port of a Sheet as two files of weights, the target's spoilt by a function of its tensors."""

    def make(sheet, spoil):
        source = plant(Sheet(sheet.source, sheet.source), out=tmp_path / "source.npz").out
        target = plant(sheet, out=tmp_path / "target.npz", weights=source).out
        tensors = dict(np.load(target))
        spoil(tensors)
        np.savez(target, **tensors)
        return {"source_weights": source, "target_weights": target}

    return make


def name(framework, layer, tensor="weight"):
    words = {
        "weight": "gamma" if layer.startswith("bn") else "kernel",
        "bias": "beta" if layer[0:2] == "bn" else "bias",
    }
    return f"{layer}/{words[tensor]}" if framework == "keras" else f"{layer}.{tensor}"


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_right_networks_agree_layer_by_layer(diff, source, target):
    result = diff(Sheet(source, target), gradients=True)
    assert result
    assert result.exit_code == 0
    assert [call.source_name for call in result.layers.calls] == LAYERS
    assert all(call.free.max_rel < 1e-12 and call.own.max_rel < 1e-12 for call in result.layers.calls)
    assert result.first_divergence is None
    assert result.causes == {}
    assert len(result.gradients.diffs) == 17  # sixteen parameters and the input
    assert result.gradients.worst.comparison.max_rel < 1e-11


@pytest.mark.parametrize(("source", "target"), ROUND)
def test_refeeding_keeps_a_fault_from_colouring_what_is_behind_it(diff, source, target):
    calls = diff(Sheet(source, target, {"epsilon": 1e-3})).layers.calls
    free, own = ([bool(getattr(call, way)) for call in calls] for way in ("free", "own"))
    assert free == [True] + [False] * 7
    assert own == [True, False] + [True] * 6


def test_free_running_alone(diff):
    result = diff(Sheet("torch", "paddle", {"epsilon": 1e-3}), refed=False)
    assert {call.own for call in result.layers.calls} == {None}
    assert result.first_divergence.source_name == "bn1"


def test_two_faults_are_told_apart(diff, spoilt):
    """The epsilon colours all outputs; the spoilt weight behind it is found all the same."""
    sheet = Sheet("torch", "paddle")

    def spoil(tensors):
        tensors["square.weight"] *= 1.5

    files = spoilt(sheet, spoil)
    result = diff(Sheet("torch", "paddle", {"epsilon": 1e-3}), **files)
    found = {layer: [(cause.cause, cause.confirmed) for cause in causes] for layer, causes in result.causes.items()}
    assert found == {"batch_norm bn1": [("epsilon", True)], "linear square": [("other values", True)]}


def transposed(tensors, weight):
    tensors[weight] = np.ascontiguousarray(tensors[weight].T)


def swapped(tensors, one, other):
    tensors[one], tensors[other] = tensors[other], tensors[one]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_square_matrix_that_was_not_transposed(diff, spoilt, source, target):
    sheet, weight = Sheet(source, target), name(target, "square")
    result = diff(sheet, **spoilt(sheet, lambda tensors: transposed(tensors, weight)))
    (cause,) = result.first_divergence.causes
    assert (result.first_divergence.source_name, cause.cause, cause.confirmed) == ("square", "missing transpose", True)
    assert weight in cause.detail
    assert [tensor.name for tensor in result.tensors] == [weight]


@pytest.mark.parametrize(("source", "target"), ROUND)
def test_batch_norm_with_weight_and_bias_exchanged(diff, spoilt, source, target):
    sheet, pair = Sheet(source, target), [name(target, "bn2", tensor) for tensor in ("weight", "bias")]
    result = diff(sheet, **spoilt(sheet, lambda tensors: swapped(tensors, *pair)))
    (cause,) = result.first_divergence.causes
    assert (result.first_divergence.source_name, cause.cause, cause.confirmed) == ("bn2", "swapped tensors", True)
    assert all(tensor in cause.detail for tensor in pair)


@pytest.mark.parametrize(("source", "target"), ROUND)
def test_weights_of_another_training(diff, spoilt, source, target):
    sheet, weight = Sheet(source, target), name(target, "conv2")

    def other(tensors):
        tensors[weight] = tensors[weight] + np.float32(0.01) * np.arange(tensors[weight].size).reshape(
            tensors[weight].shape
        )

    result = diff(sheet, **spoilt(sheet, other))
    (cause,) = result.first_divergence.causes
    assert (result.first_divergence.source_name, cause.cause, cause.confirmed) == ("conv2", "other values", True)
    (tensor,) = result.tensors
    assert tensor.name == weight


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda weight: weight * 0, "all zeros"),
        (lambda weight: weight * np.float32(1.5), "1.5 times"),
        (
            lambda weight: np.concatenate([weight[:1] + 1, weight[1:]]),
            "1 of 6 slices along axis 0 differ, the first is 0",
        ),
    ],
)
def test_how_a_tensor_differs_is_said(diff, spoilt, spoil, says):
    sheet = Sheet("paddle", "torch")

    def change(tensors):
        tensors["square.weight"] = spoil(tensors["square.weight"])

    (tensor,) = diff(sheet, **spoilt(sheet, change)).tensors
    assert says in tensor.how


@pytest.mark.parametrize("factor", [1 + 1e-6])
def test_a_tensor_off_by_a_millionth(diff, spoilt, factor):
    sheet = Sheet("keras", "torch")

    def scale(tensors):
        tensors["conv3.weight"] = (tensors["conv3.weight"].astype(np.float64) * factor).astype(np.float32)

    result = diff(sheet, **spoilt(sheet, scale))
    assert (result.verdict, result.first_divergence.source_name) == ("different", "conv3")


@pytest.mark.parametrize(("source", "target"), ROUND)
def test_target_weights_alone_are_carried_back(diff, spoilt, source, target):
    sheet = Sheet(source, target)
    files = spoilt(sheet, dict)
    result = diff(sheet, target_weights=files["target_weights"])
    assert result
    assert result.tensors is None
    assert result.weights == str(files["target_weights"])


def test_weights_of_another_model_are_refused(diff, tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(3, np.float32))
    with pytest.raises(PlanError, match="are not small's torch weights"):
        diff(Sheet("torch", "paddle"), source_weights=tmp_path / "other.npz")


def with_factory(tmp_path, target, factory):
    """The table of a Sheet with another factory in its target's column."""
    table = Sheet("paddle", target).write(tmp_path / "small.toml")
    text = table.read_text()
    assert text.count(f"nets.in_{target}:small") == 1
    table.write_text(text.replace(f"nets.in_{target}:small", factory))
    return str(table)


def test_gradients_that_stop(pool, tmp_path):
    """The outputs agree to the bit: only gradients betray a detach."""
    table = with_factory(tmp_path, "torch", "nets.stopped:stopped")
    assert carry_out(table, "paddle", "torch", pool=pool)
    result = carry_out(table, "paddle", "torch", DiffOptions(gradients=True), pool=pool)
    assert result.verdict == "different"
    assert {found.source_name for found in result.gradients.failed} == {
        "input", "conv1.weight", "conv1.bias", "bn1.weight", "bn1.bias"
    }  # fmt: skip


def test_a_frozen_layer_is_named(pool, tmp_path):
    table = with_factory(tmp_path, "torch", "nets.stopped:frozen")
    result = carry_out(table, "paddle", "torch", DiffOptions(gradients=True), pool=pool)
    (problem,) = result.gradients.problems
    assert (problem.kind, problem.tensor) == ("frozen", "conv2.weight")
    assert "torch has it frozen" in problem.detail
    assert not result


def test_gradients_need_the_same_outputs(pool):
    with pytest.raises(UsageError, match="paddle returns logits where torch returns probabilities"):
        carry_out("lenet5", "paddle", "torch", DiffOptions(gradients=True), pool=pool)


def test_what_was_exchanged_is_gone(pool):
    before = set(pool.folder.glob("*.arrays"))  # of other tests, which share the session's folder
    carry_out("lenet5_maxavg", "paddle", "torch", DiffOptions(gradients=True), pool=pool)
    assert set(pool.folder.glob("*.arrays")) == before


def test_command_and_its_json(cli):
    done = cli("diff", "lenet5_maxavg", "paddle", "torch", "--gradients", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["verdict"] == "equivalent"
    assert [layer["source_name"] for layer in told["layers"]] == [
        "conv1",
        "conv3",
        "pool4",
        "conv5",
        "linear6",
        "linear7",
    ]
    assert all(layer["agrees"] and layer["own_max_rel"] < 1e-12 for layer in told["layers"])
    assert len(told["worst"]) == 5
    assert told["gradients"]["agree"] is True
    assert told["first_divergence"] is None


def test_command_for_people(cli, tmp_path):
    done = cli("diff", "lenet5_maxavg", "paddle", "torch", "--all")
    assert done.returncode == 0
    assert "lenet5_maxavg  paddle → torch  equivalent" in done.stdout
    assert "every layer, as the source runs them" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_an_optimizer_without_training_is_refused(cli):
    done = cli("diff", "lenet5_maxavg", "paddle", "torch", "--optimizer", "adam")
    assert (done.returncode, done.stdout) == (2, "")
    assert "it goes with --train-steps K" in done.stderr
