"""Networks with the same weights that compute something else: the figures. Verdicts and causes are in matrix.py."""

import numpy as np
import pytest
from planted import PAIRS, Sheet, assert_different_at

from xframe.errors import ModelError


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


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_tensors_that_the_outputs_see_are_counted(plant, source, target):
    found = plant(Sheet(source, target, base={"spare": True})).to_json()["tensors"]
    assert (len(found["unproven"]), found["seen"]) == (2, 20)
