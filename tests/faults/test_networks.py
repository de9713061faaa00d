"""Networks with the same weights that compute something else: verdict and the first layer that differs."""

import numpy as np
import pytest
from planted import FRAMEWORKS, PAIRS, ROUND, Sheet, assert_different_at

from xframe.errors import ModelError, PlanError

# What is wrong with the target, and the first mapped layer that shows it: a pool or relu shows in the layer behind it.
FAULTS = {
    "keras's default epsilon": ({"epsilon": 1e-3}, "bn1"),
    "the epsilon of keras.applications": ({"epsilon": 1.001e-5}, "bn1"),
    "padding on the far side only": ({"padding": "same"}, "conv1"),
    "average for maximum": ({"pool": "avg"}, "dense1"),
    "no relu": ({"relus": 0}, "conv2"),
    "reversed outputs of equal mean": ({"ending": "reversed"}, None),
    "outputs that are all larger": ({"ending": "above"}, None),
}


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize(("knobs", "layer"), FAULTS.values(), ids=FAULTS)
def test_different(plant, tmp_path, source, target, knobs, layer):
    result = plant(Sheet(source, target, knobs))
    assert_different_at(layer, result)
    assert not (tmp_path / "ported.npz").exists()


@pytest.mark.parametrize(("source", "target"), ROUND)
@pytest.mark.parametrize(("knobs", "layer"), list(FAULTS.values())[::3], ids=list(FAULTS)[::3])
def test_different_in_the_source(plant, source, target, knobs, layer):
    assert_different_at(layer, plant(Sheet(source, target, knobs, at="source")))


@pytest.mark.parametrize(("source", "target"), [("keras", "paddle"), ("keras", "torch")])
def test_batch_statistics_in_evaluation_mode(plant, source, target):
    """One layer that goes into training mode for its own call and out again. Keras does not let it."""
    assert_different_at("bn1", plant(Sheet(source, target, {"training": "hidden"})))


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_doubled_relu_changes_nothing(plant, source, target):
    assert plant(Sheet(source, target, {"relus": 2})).verdict == "equivalent"


@pytest.mark.parametrize(("epsilon", "hidden"), [(1.001e-5, True), (1e-3, False)])
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_only_float64_sees_a_small_epsilon(plant, source, target, epsilon, hidden):
    proof = plant(Sheet(source, target, {"epsilon": epsilon})).proof
    noise = proof.noise_source + proof.noise_target
    assert (proof.float32.max_abs <= 2 * noise) == hidden
    assert (proof.float64.max_rel < 1e-6) == hidden


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize(
    ("ending", "reason"), [("column", "shapes differ: [2, 5] against"), ("pair", "1 outputs against 2")]
)
def test_other_outputs_are_no_number(plant, source, target, ending, reason):
    """(2, 5) against (2, 5, 1) would broadcast to a difference of (2, 5, 5); one output is not two."""
    result = plant(Sheet(source, target, {"ending": ending}))
    assert result.verdict == "different"
    assert result.proof.float64.reason.startswith(reason)
    assert result.to_json()["float64"] == {"max_abs": None, "max_rel": None}


@pytest.mark.parametrize("at", ["source", "target"])
@pytest.mark.parametrize("framework", ["paddle", "torch"])
def test_training_mode_is_refused(plant, framework, at):
    """The forward pass calls train(); Keras has no such call."""
    ends = (framework, "keras") if at == "source" else ("keras", framework)
    with pytest.raises(ModelError, match=rf"{framework} model ran in training mode .*the model, .*bn1") as caught:
        plant(Sheet(*ends, {"training": "declared"}, at))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize(("at", "kind"), [("source", "missing"), ("target", "unused")])
def test_bias_on_one_side_only(plant, source, target, at, kind):
    with pytest.raises(PlanError) as caught:
        plant(Sheet(source, target, {"bias": False}, at))
    (problem,) = caught.value.problems
    end = target if at == "source" else source
    assert (problem.kind, problem.tensor) == (kind, "conv1/bias" if end == "keras" else "conv1.bias")


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("loader", ["skipping", "changing"])
def test_unfaithful_loader(plant, tmp_path, framework, loader):
    out = tmp_path / {"paddle": "a.pdparams", "torch": "a.pth", "keras": "a.weights.h5"}[framework]
    tensor = "bn2/gamma" if framework == "keras" else "bn2.weight"
    with pytest.raises(ModelError, match=rf"holds other values at '{tensor}'") as caught:
        plant(Sheet("torch" if framework == "paddle" else "paddle", framework, {"loader": loader}), out=out)
    assert caught.value.exit_code == 2
    assert list(tmp_path.glob("a.*")) == []


@pytest.mark.parametrize("loader", ["skipping", "changing"])
def test_unfaithful_loader_of_a_keras_source(plant, tmp_path, loader):
    weights = plant(Sheet("torch", "keras"), out=tmp_path / "true.weights.h5").out
    with pytest.raises(ModelError, match="bn2/gamma"):
        plant(Sheet("keras", "torch", {"loader": loader}, "source"), weights=weights)


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nonfinite_weights_are_never_equivalent(plant, random_file, tmp_path, source, target, value):
    sheet = Sheet(source, target)
    bias = "conv2/bias" if source == "keras" else "conv2.bias"
    weights = random_file(sheet.write(tmp_path / "small.toml"), source, **{bias: np.array([0, value, 0, 0])})
    result = plant(sheet, weights=weights)
    assert_different_at("conv2", result)
    assert result.nonfinite == (bias,)
    assert result.to_json()["tensors"]["nonfinite"] == [bias]
    assert "NaN or Inf in the" in result.proof.float64.reason


@pytest.mark.parametrize(("framework", "value"), [("paddle", np.nan), ("torch", -np.inf), ("keras", -np.inf)])
def test_nonfinite_weights_that_a_relu_hides(port, random_file, tmp_path, framework, value):
    """Paddle's relu makes 0 of NaN, every relu makes 0 of -Inf: the outputs are finite and agree."""
    table = Sheet(framework, "torch" if framework == "paddle" else "paddle").write(tmp_path / "small.toml")
    bias = "conv3/bias" if framework == "keras" else "conv3.bias"
    weights = random_file(table, framework, **{bias: np.array([0, value, 0, 0])})
    result = port(table, framework, framework, weights=weights)
    assert result.nonfinite == (bias,)
    assert result.verdict != "equivalent"
    assert result.out is None
