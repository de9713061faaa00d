"""Training parity of right networks: equal, or different as the frameworks' own rules say and no otherwise."""

import json

import numpy as np
import pytest
from rich.console import Console
from training_pairs import both, trained

from xframe.comparison import Tolerance
from xframe.errors import ModelError, UsageError
from xframe.proving.optimizers.spec import parse_optimizer
from xframe.proving.training.sides import TrainingSide, draw_batches
from xframe.proving.training.train import train
from xframe.report.training import render_training

PAIRS = (("paddle", "torch"), ("torch", "keras"), ("keras", "paddle"))
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop,momentum=0.9")
# Optimizers whose figures float32 holds: what the frameworks round is not rounded then.
EXACT = ("sgd,weight_decay=0.01,decay=l2", "momentum,momentum=0.875", "nesterov,momentum=0.75")
# (pair, optimizer) → what the two rules differ in
TRAITS = {
    (("paddle", "torch"), "momentum"): {"momentum"},
    (("torch", "keras"), "momentum"): {"momentum"},
    (("paddle", "torch"), "nesterov"): {"momentum"},
    (("torch", "keras"), "nesterov"): {"momentum"},
    (("torch", "keras"), "adam"): {"epsilon_stands"},
    (("keras", "paddle"), "adam"): {"epsilon_stands"},
    (("torch", "keras"), "adamw"): {"epsilon_stands"},
    (("keras", "paddle"), "adamw"): {"epsilon_stands"},
    (("paddle", "torch"), "rmsprop,momentum=0.9"): {"epsilon_stands"},
    (("torch", "keras"), "rmsprop,momentum=0.9"): {"epsilon_stands"},
    (("keras", "paddle"), "rmsprop,momentum=0.9"): {"rho"},
}


def causes(result):
    return {cause.cause for cause in result.causes}


@pytest.mark.parametrize("optimizer", EXACT)
@pytest.mark.parametrize("pair", PAIRS)
def test_equivalent_where_the_rules_are_the_same(pool, pair, optimizer):
    result = trained(pool, "lenet5_maxavg", *pair, optimizer, steps=5)
    assert (result.verdict, result.causes, result.faults) == ("equivalent", (), ())
    assert result.max_rel < 1e-12
    assert len({step.losses[0] for step in result.steps}) == 5


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("pair", PAIRS)
def test_agrees_or_parts_as_predicted(pool, pair, optimizer):
    result = trained(pool, "lenet5_maxavg", *pair, optimizer, steps=4)
    named = TRAITS.get((pair, optimizer), set())
    assert result.verdict == ("explained" if result.max_rel > 1e-9 else "equivalent")
    assert result.faults == ()
    if result.parting is not None:
        assert named
        assert causes(result) >= named
        assert all(cause.confirmed for cause in result.causes)
        (first, *_) = result.causes
        assert first.predicted == pytest.approx(first.found, rel=1e-3)
        assert first.step == result.parting.step


@pytest.mark.parametrize("pair", PAIRS)
def test_batch_norms(pool, small, pair):
    result = trained(pool, small(*pair), *pair, "sgd")
    assert result.verdict in ("equivalent", "explained")
    assert result.faults == ()
    accounted = {cause.cause: cause for cause in result.accounted}
    assert ("N − 1" in accounted) == ("torch" in pair)
    assert ("momentum in float32" in accounted) == ("paddle" in pair)
    if "torch" in pair:
        assert set(accounted["N − 1"].names) == {"bn1", "bn2"}
        assert "N = 256" in accounted["N − 1"].detail


def test_squared_error_where_outputs_are_no_classes(pool, small):
    result = trained(pool, small("torch", "keras", ending="pair"), "torch", "keras", "sgd")
    assert result.verdict == "equivalent"


def test_probabilities_against_logits(pool):
    result = trained(pool, "mnist_cnn", "torch", "keras", "sgd")
    assert result.verdict == "equivalent"


@pytest.mark.parametrize("pair", PAIRS)
def test_both_sides_have_their_weights_back(pool, pair):
    with both(pool, "lenet5_maxavg", *pair) as (source, target, plan):
        before = [TrainingSide(side, parse_optimizer("sgd")).start for side in (source, target)]
        files = len(list(pool.folder.iterdir()))
        batches = draw_batches(source, steps=2, seed=0)
        train(source, target, plan, batches, parse_optimizer("adam"))
        after = [TrainingSide(side, parse_optimizer("sgd")).start for side in (source, target)]
        assert len(list(pool.folder.iterdir())) <= files + 2
    for one, other in zip(before, after, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_no_steps_prove_nothing(pool):
    with both(pool, "lenet5_maxavg", "torch", "paddle") as sides, pytest.raises(UsageError, match="at least one step"):
        train(*sides, [], parse_optimizer("sgd"))


def test_a_framework_without_training(pool):
    with both(pool, "lenet5_maxavg", "torch", "torch") as (source, target, plan):
        batches = draw_batches(source, steps=1, seed=0)
        bad = batches[0].__class__(batches[0].inputs, batches[0].expected * 2)
        with pytest.raises(ModelError, match="gives 1 outputs in training mode, 2 in evaluation mode"):
            train(source, target, plan, [bad], parse_optimizer("sgd"), tolerance=Tolerance())


def test_told_to_people_and_machines(pool):
    result = trained(pool, "lenet5_maxavg", "torch", "keras", "adam,epsilon=1e-3 / adam,epsilon=1e-4", steps=2)
    told = json.loads(json.dumps(result.to_json()))
    assert told["verdict"] == "explained"
    assert told["mode"] == "training"
    assert told["first_parting"]["step"] == 1
    assert {cause["cause"] for cause in told["causes"]} >= {"epsilon"}
    console = Console(width=200, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(render_training(result))
    text = captured.get()
    assert "explained" in text
    assert "the epsilon of torch is 0.001, that of keras 0.0001" in text
    assert "torch: adam,learning_rate=0.001" in text


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("model", ["lenet5_maxavg", "resnet18"])
def test_twenty_steps(pool, model, pair, optimizer):
    options = {"num_classes": 10, "size": 32} if model == "resnet18" else {}
    result = trained(pool, model, *pair, optimizer, steps=20, **options)
    assert result.faults == ()
    assert result.max_rel <= 1e-9 or (result.verdict == "explained" and all(cause.confirmed for cause in result.causes))
