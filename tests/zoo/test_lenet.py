import math

import pytest

LAYERS = ("conv1", "conv3", "conv5", "linear6", "linear7")
IMPLEMENTATIONS = ("paddle", "paddle/custom", "torch", "keras")


@pytest.fixture
def networks(paddle_facts, torch_facts, keras_facts):
    return {
        "paddle": paddle_facts["lenet5_maxavg"],
        "paddle/custom": paddle_facts["lenet5_maxavg_custom"],
        "torch": torch_facts["lenet5_maxavg"],
        "keras": keras_facts["lenet5_maxavg"],
    }


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_counts(networks, implementation):
    network = networks[implementation]
    assert sum(map(math.prod, network["trainable"].values())) == 61_706
    assert len(network["trainable"]) == 10
    assert network["statistics"] == {}


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_names(networks, implementation):
    suffixes = ("/kernel", "/bias") if implementation == "keras" else (".weight", ".bias")
    assert set(networks[implementation]["trainable"]) == {layer + suffix for layer in LAYERS for suffix in suffixes}


def test_shapes_differ_as_the_dialects_do(networks):
    weights = {name: network["trainable"].get("linear6.weight") for name, network in networks.items()}
    assert weights == {"paddle": [120, 84], "paddle/custom": [120, 84], "torch": [84, 120], "keras": None}
    assert networks["keras"]["trainable"]["linear6/kernel"] == [120, 84]
    assert networks["keras"]["trainable"]["conv3/kernel"] == [5, 5, 6, 16]
    assert networks["torch"]["trainable"]["conv3.weight"] == [16, 6, 5, 5]
    assert networks["paddle"]["trainable"]["conv3.bias"] == [16]
    assert networks["paddle/custom"]["trainable"]["conv3.bias"] == [16, 1]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_logits_in_float64(networks, implementation):
    ((shape, dtype),) = networks[implementation]["outputs"]
    assert shape == [2, 10]
    assert dtype.endswith("float64")


def test_keras_follows_the_dtype_policy(keras_facts):
    assert keras_facts["lenet5_maxavg float32"] == [[[2, 10], "float32"]]
    assert all(digits > 0 for digits in keras_facts["float64 digits"])
