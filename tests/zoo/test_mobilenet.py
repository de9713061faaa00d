"""Mobile networks: what they hold, what they answer, and that they port."""

import math
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest

from xframe.mapping import load_table
from xframe.proving.sides import Side

IMPLEMENTATIONS = ("paddle", "torch", "keras")
STATISTICS = ("_mean", "_variance", "running_mean", "running_var", "moving_mean", "moving_variance")
COUNTS = {  # trainable values, running statistics, tensors; torchvision publishes the first of versions 2 and 3
    "mobilenet_v1": (4_231_976, 21_888, 137),
    "mobilenet_v2": (3_504_872, 34_112, 262),
    "mobilenet_v3_small": (2_542_856, 12_112, 210),
    "mobilenet_v3_large": (5_483_032, 24_400, 266),
}
HIDDEN = {"mobilenet_v1": 1024, "mobilenet_v2": 1280, "mobilenet_v3_small": 1024, "mobilenet_v3_large": 1280}
SQUEEZED = {"mobilenet_v3_small": {1, *range(4, 12)}, "mobilenet_v3_large": {4, 5, 6, *range(11, 16)}}
IN_KERAS = "mobilenet_v3_small"  # the smallest, with every sort of layer; the others take Keras too long


def cases(*ends):
    """Each network with each of `ends`, an implementation or a pair; slow where Keras would take too long."""
    return [
        pytest.param(model, *end, marks=[pytest.mark.slow] if "keras" in end and model != IN_KERAS else [])
        for model, end in product(COUNTS, ends)
    ]


@pytest.fixture
def build(pool):
    """Builds a column of a table; the worker forgets it when the test ends."""
    sides = []

    def side(model, implementation, **options):
        table = load_table(model, options)
        handle = f"{model} {len(sides)}"
        sides.append(Side(pool, table, table.implementation(implementation), handle, "float32"))
        return sides[-1]

    yield side
    for built in sides:
        built.release()


def counts(shapes):
    """The values in trainable tensors and in running statistics, and the number of all these tensors."""
    sizes = {name: math.prod(shape) for name, shape in shapes.items() if not name.endswith("num_batches_tracked")}
    statistics = sum(size for name, size in sizes.items() if name.endswith(STATISTICS))
    return sum(sizes.values()) - statistics, statistics, len(sizes)


def stated(table, implementation):
    """Every tensor of the column, as the table states it."""
    entries = [entry for entry in table.entries if implementation in entry.names]
    return {entry.names[implementation].name: entry.shape(implementation) for entry in entries}


def torchvision_layers(model):
    """The convolutions, norms and linear layers of `model`, as torchvision calls them."""
    return version_2() if model == "mobilenet_v2" else version_3(model)


def version_2():
    """Blocks expand, convolve each channel and project; the first does not expand."""
    units = ["features.0", "features.18", "features.1.conv.0"]
    units += [f"features.{n}.conv.{step}" for n, step in product(range(2, 18), (0, 1))]
    last = [("features.1.conv.1", "features.1.conv.2")]
    last += [(f"features.{n}.conv.2", f"features.{n}.conv.3") for n in range(2, 18)]
    convolutions = [*(f"{unit}.0" for unit in units), *(one for one, _ in last)]
    norms = [*(f"{unit}.1" for unit in units), *(other for _, other in last)]
    return convolutions, norms, ["classifier.1"]


def version_3(model):
    """Blocks expand, convolve each channel, squeeze and project; not all squeeze, and the first does not expand."""
    squeezed, blocks = SQUEEZED[model], {"mobilenet_v3_small": 11, "mobilenet_v3_large": 15}[model]
    units, linear = ["features.0", f"features.{blocks + 1}"], ["classifier.0", "classifier.3"]
    for n in range(1, blocks + 1):
        steps = (["expand"] if n > 1 else []) + ["depthwise"] + (["squeeze"] if n in squeezed else []) + ["project"]
        units += [f"features.{n}.block.{at}" for at, step in enumerate(steps) if step != "squeeze"]
        squeezes = [at for at, step in enumerate(steps) if step == "squeeze"]
        linear += [f"features.{n}.block.{at}.fc{k}" for at, k in product(squeezes, (1, 2))]
    return [f"{unit}.0" for unit in units], [f"{unit}.1" for unit in units], linear


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("model", COUNTS)
def test_table_counts_right(model, implementation):
    table = load_table(model)
    assert counts(stated(table, implementation)) == COUNTS[model]
    with_ten = counts(stated(load_table(model, {"num_classes": 10}), implementation))[0]
    assert COUNTS[model][0] - with_ten == 990 * (HIDDEN[model] + 1)


@pytest.mark.parametrize(("model", "implementation"), cases(("paddle",), ("torch",), ("keras",)))
def test_network_counts_right(build, model, implementation):
    side = build(model, implementation)
    built = {name: spec.shape for name, spec in side.specs.items()}
    assert counts(built) == COUNTS[model]
    steps = {name: () for name in built if name.endswith("num_batches_tracked")}
    assert built == stated(side.table, implementation) | steps


@pytest.mark.parametrize("model", [model for model in COUNTS if model != "mobilenet_v1"])
def test_names_are_torchvisions(model):
    convolutions, norms, linear = torchvision_layers(model)
    tensors = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {f"{layer}.weight" for layer in convolutions}
    expected |= {f"{layer}.{tensor}" for layer in norms for tensor in tensors}
    expected |= {f"{layer}.{tensor}" for layer in linear for tensor in ("weight", "bias")}
    assert set(stated(load_table(model), "torch")) == expected


def test_version_2_has_the_same_names_in_paddle_and_torchvision():
    statistics = {"_mean": "running_mean", "_variance": "running_var"}
    paddle = [name.rsplit(".", 1) for name in stated(load_table("mobilenet_v2"), "paddle")]
    torch = [name for name in stated(load_table("mobilenet_v2"), "torch") if "num_batches" not in name]
    assert [f"{layer}.{statistics.get(tensor, tensor)}" for layer, tensor in paddle] == torch


@pytest.mark.parametrize(("model", "implementation"), cases(("paddle",), ("torch",), ("keras",)))
def test_logits_at_two_sizes(build, model, implementation):
    side = build(model, implementation, num_classes=10)
    for size in ((32, 45), (64, 64)):
        outputs = side.run(np.zeros((2, 3, *size), np.float32), "float64")()
        assert [(array.shape, array.dtype) for array in outputs.arrays] == [((2, 10), np.float64)]


@pytest.fixture
def small(tmp_path):
    """Images with one odd side: padding on one side only would show."""
    path = tmp_path / "small.npy"
    np.save(path, np.random.default_rng(0).standard_normal((2, 3, 64, 77), np.float32))
    return path


def equivalent(result, model):
    """Every tensor moved, and outputs as close as Paddle's epsilon in float32 leaves them."""
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", COUNTS[model][2])
    assert result.proof.float64.max_rel <= 1e-10
    return True


@pytest.mark.parametrize(("model", "source", "target"), cases(("paddle", "torch"), ("torch", "keras")))
def test_small_ports(port, small, model, source, target):
    assert equivalent(port(model, source, target, input=small), model)


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), list(permutations(IMPLEMENTATIONS, 2)))
@pytest.mark.parametrize("model", COUNTS)
def test_ports(port, model, source, target):
    assert equivalent(port(model, source, target), model)


@pytest.mark.slow
def test_as_torchvision_computes_it_without_paddles_epsilon_and_slope(port, small, tmp_path):
    """The factories' own defaults; Paddle, which has others, then differs."""
    text = Path(load_table("mobilenet_v3_small").file).read_text(encoding="utf-8")
    (tmp_path / "plain.toml").write_text("\n".join(line for line in text.splitlines() if "with  " not in line))
    assert port(tmp_path / "plain.toml", "torch", "keras", input=small).proof.float64.max_rel <= 1e-12
    paddle = port(tmp_path / "plain.toml", "paddle", "torch", input=small)
    assert paddle.verdict == "different"
    assert paddle.proof.float64.max_rel < 1e-5
