import math
from itertools import permutations, product

import numpy as np
import pytest

from xframe.errors import UsageError
from xframe.mapping import load_table
from xframe.proving.probe import random_weights
from xframe.proving.sides import Side

IMPLEMENTATIONS = ("paddle", "paddle/custom", "torch", "keras")
BLOCKS = [f"layer{stage}.{block}" for stage, block in product(range(1, 5), range(2))]
PROJECTED = [f"layer{stage}.0.downsample" for stage in range(2, 5)]

CONVOLUTIONS = ["conv1", *(f"{b}.conv{n}" for b, n in product(BLOCKS, (1, 2))), *(f"{d}.0" for d in PROJECTED)]
BATCH_NORMS = ["bn1", *(f"{b}.bn{n}" for b, n in product(BLOCKS, (1, 2))), *(f"{d}.1" for d in PROJECTED)]
TRAINABLE = {
    *(f"{layer}.weight" for layer in [*CONVOLUTIONS, *BATCH_NORMS, "fc"]),
    *(f"{layer}.bias" for layer in [*BATCH_NORMS, "fc"]),
}


def statistics(mean, variance):
    return {f"{layer}.{name}" for layer, name in product(BATCH_NORMS, (mean, variance))}


def as_custom(name):
    """The name in paddle/custom of a tensor that torchvision calls `name`."""
    for old, new in (("downsample.0", "shortcut"), ("downsample.1", "bn3"), ("layer", "net.")):
        name = name.replace(old, new)
    stem = {"conv1": "net.0.0", "bn1": "net.0.1", "fc": "net.7"}
    layer, tensor = name.rsplit(".", 1)
    return f"{stem.get(layer, layer)}.{tensor}"


def as_keras(name):
    """The path in Keras of a tensor that torchvision calls `name`."""
    layer, tensor = name.rsplit(".", 1)
    tensors = {"running_mean": "moving_mean", "running_var": "moving_variance"}
    normalised = {"weight": "gamma", "bias": "beta"} | tensors
    plain = {"weight": "kernel", "bias": "bias"}
    return f"{layer.replace('.', '_')}/{(normalised if layer in BATCH_NORMS else plain)[tensor]}"


@pytest.fixture
def networks(paddle_facts, torch_facts, keras_facts):
    return {
        "paddle": paddle_facts["resnet18"],
        "paddle/custom": paddle_facts["resnet18_custom"],
        "torch": torch_facts["resnet18"],
        "keras": keras_facts["resnet18"],
    }


def count(tensors):
    return sum(map(math.prod, tensors.values()))


def test_the_pattern_counts_as_torchvision_does():
    assert len(TRAINABLE) == 62
    assert len(TRAINABLE | statistics("running_mean", "running_var")) == 102


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_counts(networks, implementation):
    network, stem_bias = networks[implementation], implementation == "paddle/custom"
    assert count(network["trainable"]) == 11_689_512 + 64 * stem_bias
    assert count(network["statistics"]) == 9_600
    assert len(network["trainable"]) + len(network["statistics"]) == 102 + stem_bias


def test_counts_on_small_images(paddle_facts, torch_facts, keras_facts):
    custom = paddle_facts["resnet18_custom small"]
    assert (count(custom["trainable"]), count(custom["statistics"])) == (11_175_434, 9_600)
    for network in (torch_facts["resnet18 small"], keras_facts["resnet18 small"]):
        assert (count(network["trainable"]), count(network["statistics"])) == (11_175_434 - 64, 9_600)


def test_names(networks):
    assert set(networks["torch"]["trainable"]) == TRAINABLE
    assert set(networks["torch"]["statistics"]) == statistics("running_mean", "running_var")
    assert set(networks["paddle"]["trainable"]) == TRAINABLE
    assert set(networks["paddle"]["statistics"]) == statistics("_mean", "_variance")
    assert set(networks["paddle/custom"]["trainable"]) == {*map(as_custom, TRAINABLE), "net.0.0.bias"}
    assert set(networks["paddle/custom"]["statistics"]) == set(map(as_custom, statistics("_mean", "_variance")))
    assert set(networks["keras"]["trainable"]) == set(map(as_keras, TRAINABLE))
    assert set(networks["keras"]["statistics"]) == set(map(as_keras, statistics("running_mean", "running_var")))


def test_shapes(networks):
    torch = networks["torch"]["trainable"]
    assert networks["paddle"]["trainable"] == torch | {"fc.weight": torch["fc.weight"][::-1]}
    for name, (out, inputs, height, width) in ((n, s) for n, s in torch.items() if len(s) == 4):
        assert networks["paddle/custom"]["trainable"][as_custom(name)] == [out, inputs, height, width]
        assert networks["keras"]["trainable"][as_keras(name)] == [height, width, inputs, out]


def test_every_keras_layer_has_a_name_of_ours(networks):
    layers = networks["keras"]["layers"]
    padded = ["conv1", "maxpool", *(f"{block}.conv{n}" for block, n in product(BLOCKS, (1, 2)))]
    tensorless = {"images", "relu", "maxpool", "avgpool"}
    tensorless |= {f"{layer}.{name}" for layer, name in product(BLOCKS, ("relu1", "relu2", "add"))}
    expected = {*tensorless, *CONVOLUTIONS, *BATCH_NORMS, *(f"{layer}_padding" for layer in padded), "fc"}
    assert set(layers) == {name.replace(".", "_") for name in expected}
    assert len(layers) == len(expected)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_logits_in_float64_at_two_sizes(networks, implementation):
    shapes, dtypes = zip(*networks[implementation]["outputs"], strict=True)
    assert shapes == ([1, 1000], [1, 1000])
    assert all(dtype.endswith("float64") for dtype in dtypes)


def test_batch_norms_agree(paddle_facts, torch_facts, keras_facts):
    assert paddle_facts["batch_norms"] == [[1e-5, 0.9]]
    assert keras_facts["batch_norms"] == [[1e-5, 0.9]]
    assert torch_facts["batch_norms"] == [[1e-5, 0.1]]  # the share of the batch, not of the past


def test_without_residual_the_shortcuts_are_there_but_unused(paddle_facts):
    unused = {f"net.{stage}.0.{name}" for stage in (2, 3, 4) for name in ("shortcut.weight", "bn3.weight", "bn3.bias")}
    assert paddle_facts["without gradient"] == []
    assert set(paddle_facts["without gradient or residual"]) == unused


@pytest.fixture
def small(tmp_path):
    """Images with one odd side: padding on one side only would show."""
    path = tmp_path / "small.npy"
    np.save(path, np.random.default_rng(0).standard_normal((2, 1, 32, 45), np.float32))
    return path


def residual_pairs():
    """Every ordered pair of the columns that know the option; one of them is quick."""
    for pair in permutations(IMPLEMENTATIONS[1:], 2):
        yield pytest.param(*pair, marks=() if pair == ("paddle/custom", "torch") else pytest.mark.slow)


@pytest.mark.parametrize(("source", "target"), list(residual_pairs()))
def test_ports_without_residual(port, small, source, target):
    options = {"use_residual": False, "in_channels": 1, "num_classes": 10}
    result = port("resnet18", source, target, input=small, set=options)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 102)  # the unused shortcuts among them
    assert result.proof.float64.max_rel <= 1e-9


def test_paddles_own_network_cannot_do_without_residual(port):
    with pytest.raises(UsageError, match="'paddle' cannot be built with another use_residual"):
        port("resnet18", "paddle", "torch", set={"use_residual": False})


UNUSED = ("shortcut", "bn3", "downsample")


@pytest.mark.parametrize("use_residual", [True, False])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS[1:])
def test_only_the_residual_needs_the_shortcuts(pool, implementation, use_residual):
    """Other weights in the shortcuts make another answer, or not."""
    table = load_table("resnet18", {"use_residual": use_residual, "in_channels": 1, "num_classes": 10})
    side = Side(pool, table, table.implementation(implementation), "resnet18", "float32")
    specs = side.specs
    unused = {name: spec for name, spec in specs.items() if any(part in name for part in UNUSED)}
    first = {name: drawn for name, *drawn in random_weights(table, implementation, specs, 0)}
    other = first | {name: drawn for name, *drawn in random_weights(table, implementation, unused, 1)}
    answers = []
    for weights in (first, other):
        side.load(pool.put("weights", [(name, *drawn) for name, drawn in weights.items()])).result()
        answers.append(side.run(np.ones((1, 1, 32, 45), np.float32), "float32")().arrays[0])
    side.release()
    assert np.array_equal(*answers) is not use_residual
