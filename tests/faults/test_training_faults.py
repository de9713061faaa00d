"""Faults that only training shows (D1 to D6): the verdict, and the cause by name."""

import numpy as np
import pytest
from planted import FRAMEWORKS, ROUND, TrainedSheet
from training_pairs import both, trained

from xframe.proving.optimizers.spec import parse_optimizer
from xframe.proving.training import sides as training_sides
from xframe.proving.training.sides import TrainingSide, draw_batches
from xframe.proving.training.train import train

SEPARATOR = {"paddle": ".", "torch": ".", "keras": "/"}


@pytest.fixture
def taught(pool, tmp_path):
    """Train both sides of a Sheet."""

    def run(sheet, optimizer="sgd", **options):
        return trained(pool, sheet.write(tmp_path / "small.toml"), sheet.source, sheet.target, optimizer, **options)

    return run


def named(causes):
    return {cause.cause: cause for cause in causes}


@pytest.mark.parametrize(("source", "target"), ROUND)
def test_right_networks(taught, source, target):
    result = taught(TrainedSheet(source, target))
    assert result
    assert result.faults == ()
    assert result.to_json()["mode"] == "training"


@pytest.mark.parametrize("at", ["source", "target"])
@pytest.mark.parametrize(("source", "target"), ROUND)
def test_evaluation_mode_in_one_layer(taught, source, target, at):
    """D1: bn1 does without the batch's statistics on one side; running ones stay and gradients are others."""
    result = taught(TrainedSheet(source, target, {"training": "forgotten"}, at), steps=1)
    assert result.verdict == "different"
    faults = named(result.faults)
    assert faults.keys() >= {"loss", "gradient", "statistic"}
    assert any("bn1" in name for name in faults["statistic"].names)
    assert "gradient is another" in faults["gradient"].detail


@pytest.mark.parametrize(("source", "target"), ROUND)
def test_momentum_of_a_batch_norm(taught, source, target):
    """D2: named with both values, and confirmed by the statistics' obeying each side's own."""
    result = taught(TrainedSheet(source, target, {"momentum": 0.01}))
    assert result.verdict == "explained"
    cause = named(result.causes)["batch norm momentum"]
    assert (cause.names, cause.confirmed) == (("bn1", "bn1"), True)
    assert "bn1: a batch's share of the running statistics is 0.1 in" in cause.detail
    assert "0.01 in" in cause.detail
    assert result.faults == ()


@pytest.mark.parametrize(("source", "target"), ROUND)
def test_divisor_of_a_running_variance(taught, source, target):
    """D3: torch's N − 1 is allowed for, and only that."""
    result = taught(TrainedSheet(source, target))
    assert ("N − 1" in named(result.accounted)) == ("torch" in (source, target))
    assert "statistic" not in named(result.faults)


@pytest.mark.parametrize(
    ("source", "target", "variance"),
    [("paddle", "torch", "N"), ("keras", "torch", "N"), ("torch", "paddle", "N - 1"), ("torch", "keras", "N - 1")],
)
def test_wrong_divisor(taught, source, target, variance):
    result = taught(TrainedSheet(source, target, {"variance": variance}))
    assert result.verdict == "different"
    fault = named(result.faults)["statistic"]
    assert len(fault.names) == 1
    assert "bn1" in fault.names[0]
    assert "var" in fault.names[0]
    assert "expected 1.00392 times" in fault.detail or "expected 0.996094 times" in fault.detail


@pytest.mark.parametrize("optimizer", ["momentum,momentum=0.875,weight_decay=0.1", "adam,weight_decay=0.1"])
@pytest.mark.parametrize(("source", "target"), [("paddle", "keras"), ("torch", "keras")])
def test_weight_decay_under_one_name(taught, source, target, optimizer):
    """D4: the constructors' weight_decay adds to the gradient in torch and paddle, and shrinks weights in keras."""
    result = taught(TrainedSheet(source, target), optimizer)
    assert result.verdict == "explained"
    cause = named(result.causes)["decay"]
    assert cause.confirmed
    assert cause.step == (2 if "momentum" in optimizer else 1)  # the first momentum is the gradient itself
    assert f"{source} adds weight_decay · p to the gradient (l2), keras takes" in cause.detail


@pytest.mark.parametrize(("source", "target"), [("paddle", "keras"), ("torch", "keras")])
def test_weight_decay_of_one_meaning(taught, source, target):
    result = taught(TrainedSheet(source, target), "momentum,momentum=0.875,weight_decay=0.125,decay=decoupled")
    assert "decay" not in named(result.causes)
    assert result.faults == ()


@pytest.mark.parametrize(("source", "target"), ROUND)
def test_epsilon_of_adam(taught, source, target):
    """D5: 1e-8 against keras's 1e-7."""
    result = taught(TrainedSheet(source, target), "adam,epsilon=1e-8 / adam,epsilon=1e-7")
    assert result.verdict == "explained"
    cause = named(result.causes)["epsilon"]
    assert cause.confirmed
    assert f"the epsilon of {source} is 1e-08, that of {target} 1e-07" in cause.detail


@pytest.mark.parametrize(("source", "target"), ROUND)
def test_epsilon_before_the_bias_correction(taught, source, target):
    result = taught(TrainedSheet(source, target), "adam,epsilon=1e-3")
    assert ("epsilon_stands" in named(result.causes)) == ("keras" in (source, target))
    assert result.faults == ()


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(
    ("instead", "said"),
    [
        ({"epsilon": 1e-7}, "epsilon 1e-07"),
        ({"name": "adamw", "weight_decay": 0.0}, None),
        ({"weight_decay": 0.0, "l2": 0.01}, "weight decay"),
        ({"epsilon": 3e-5}, "no rule that is known does"),
    ],
    ids=["epsilon", "the same by another name", "l2", "unknown"],
)
def test_optimizer_that_is_not_the_one_said(taught, monkeypatch, framework, instead, said):
    """The worker is handed another recipe than the one that the rule is of."""
    honest = training_sides.recipe

    def dishonest(name, optimizer, dtype="float64"):
        made = honest(name, optimizer, dtype)
        return {**made, **instead} if name == framework else made

    monkeypatch.setattr(training_sides, "recipe", dishonest)
    other = "torch" if framework != "torch" else "paddle"
    result = taught(TrainedSheet(framework, other), "adam")
    fault = named(result.faults).get("optimizer")
    if said is None:
        assert fault is None
        return
    assert result.verdict == "different"
    assert f"{framework} does not do what 'adam" in fault.detail
    assert said in fault.detail
    assert fault.confirmed == ("no rule" not in said)


@pytest.mark.parametrize("at", ["source", "target"])
@pytest.mark.parametrize(("source", "target"), ROUND)
def test_frozen_on_one_side(taught, source, target, at):
    """D6: the tensors are named, and it is said where they are frozen."""
    result = taught(TrainedSheet(source, target, {"frozen": "conv3"}, at))
    assert result.verdict == "different"
    fault = named(result.faults)["frozen"]
    side = source if at == "source" else target
    assert fault.confirmed
    assert f"frozen in {side} and did not move" in fault.detail
    kernel, bias = ("kernel", "bias") if side == "keras" else ("weight", "bias")
    assert set(fault.names) == {f"conv3{SEPARATOR[side]}{kernel}", f"conv3{SEPARATOR[side]}{bias}"}


@pytest.mark.parametrize(("source", "target"), ROUND)
def test_frozen_on_both_sides(taught, source, target):
    result = taught(TrainedSheet(source, target, {"frozen": "conv3"}, "both"))
    assert result.faults == ()


@pytest.mark.parametrize("dropout", ["layer", "function"])
@pytest.mark.parametrize(("source", "target"), ROUND)
def test_dropout_is_off(taught, source, target, dropout):
    result = taught(TrainedSheet(source, target, {"dropout": dropout}, "both"))
    assert result.faults == ()
    for silence in result.silenced:
        assert (len(silence.layers), silence.calls) == ((1, 0) if dropout == "layer" else (0, 1))


@pytest.mark.parametrize("knobs", [{"epsilon": 1e-3}, {"epsilon": 1.001e-5}, {"relus": 0}])
@pytest.mark.parametrize(("source", "target"), ROUND)
def test_another_network(taught, source, target, knobs):
    """Paddle's rounding of the right epsilon must not excuse a wrong one."""
    result = taught(TrainedSheet(source, target, knobs), steps=1)
    assert result.verdict == "different"
    assert "gradient" in named(result.faults)
    assert "epsilon in float32" not in named(result.causes)


def test_other_weights_at_the_start(pool, tmp_path):
    table = TrainedSheet("torch", "paddle").write(tmp_path / "small.toml")
    with both(pool, table, "torch", "paddle") as (source, target, plan):
        batches = draw_batches(source, steps=2, seed=0)
        end = TrainingSide(target, parse_optimizer("sgd"))
        name = "dense2.bias"
        end.set_tensors({name: end.start[name] + 1e-6})
        result = train(source, target, plan, batches, parse_optimizer("sgd"))
    assert result.verdict == "different"
    assert (result.parting.step, result.parting.target_name) == (0, name)
    assert "do not hold the same weights at the start" in result.faults[0].detail


def test_other_labels_on_one_side(pool, tmp_path, monkeypatch):
    """A loss that is another function of the same outputs."""
    table = TrainedSheet("torch", "paddle").write(tmp_path / "small.toml")
    with both(pool, table, "torch", "paddle") as (source, target, plan):
        batches = draw_batches(source, steps=1, seed=0)
        honest = TrainingSide._batch

        def dishonest(self, batch):
            if self.framework == "paddle":
                batch = type(batch)(batch.inputs, ((batch.expected[0] + np.int64(1)) % 5,))
            return honest(self, batch)

        monkeypatch.setattr(TrainingSide, "_batch", dishonest)
        result = train(source, target, plan, batches, parse_optimizer("sgd"))
    assert result.verdict == "different"
    assert "loss" in named(result.faults)
