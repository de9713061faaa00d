"""DenseNet-121 and DenseNet-161: what they hold, what they answer, and that they port."""

import math
from itertools import permutations

import numpy as np
import pytest

from xframe.mapping import load_table
from xframe.proving.sides import Side

IMPLEMENTATIONS = ("paddle", "torch", "keras")
STATISTICS = ("_mean", "_variance", "running_mean", "running_var", "moving_mean", "moving_variance")
COUNTS = {  # parameters, running statistics, tensors
    "densenet121": (7_978_856, 83_648, 606),
    "densenet161": (28_681_000, 219_936, 806),
}
DEPTHS = {"densenet121": (6, 12, 24, 16), "densenet161": (6, 12, 36, 24)}
WIDE_IS_SLOW = ["densenet121", pytest.param("densenet161", marks=pytest.mark.slow)]
FEATURES = {"densenet121": 1024, "densenet161": 2208}  # what enters the linear layer


@pytest.fixture
def build(pool):
    """Builds a column of a table; the worker forgets it when the test ends."""
    sides = []

    def side(name, implementation, **options):
        table = load_table(name, options)
        handle = f"{name} {len(sides)}"
        sides.append(Side(pool, table, table.implementation(implementation), handle, "float32"))
        return sides[-1]

    yield side
    for built in sides:
        built.release()


def sizes(side):
    """The number of values of every tensor, trainable ones and running statistics apart."""
    specs = [spec for name, spec in side.specs.items() if not name.endswith("num_batches_tracked")]
    statistics = [spec for spec in specs if spec.name.endswith(STATISTICS)]
    trainable = [spec for spec in specs if spec not in statistics]
    return [[math.prod(spec.shape) for spec in kept] for kept in (trainable, statistics)]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", COUNTS)
def test_counts(build, name, implementation):
    trainable, statistics = sizes(build(name, implementation))
    assert (sum(trainable), sum(statistics), len(trainable) + len(statistics)) == COUNTS[name]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", WIDE_IS_SLOW)
def test_counts_with_ten_classes(build, name, implementation):
    trainable, _ = sizes(build(name, implementation, num_classes=10))
    assert sum(trainable) == COUNTS[name][0] - 990 * (FEATURES[name] + 1)


@pytest.mark.parametrize("name", COUNTS)
def test_names_are_torchvisions(build, name):
    dense = [f"denseblock{d}.denselayer{n}" for d, depth in enumerate(DEPTHS[name], 1) for n in range(1, depth + 1)]
    convolutions = ["conv0", *(f"{layer}.conv{n}" for layer in dense for n in (1, 2))]
    norms = ["norm0", "norm5", *(f"{layer}.norm{n}" for layer in dense for n in (1, 2))]
    convolutions += [f"transition{n}.conv" for n in (1, 2, 3)]
    norms += [f"transition{n}.norm" for n in (1, 2, 3)]
    tensors = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {f"features.{layer}.weight" for layer in convolutions}
    expected |= {f"features.{layer}.{tensor}" for layer in norms for tensor in tensors}
    assert set(build(name, "torch").specs) == expected | {"classifier.weight", "classifier.bias"}


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", WIDE_IS_SLOW)
def test_logits_at_two_sizes(build, name, implementation):
    side = build(name, implementation, num_classes=10)
    for probe in [np.zeros((2, 3, *size), np.float32) for size in ((32, 45), (64, 64))]:
        outputs = side.run(probe, "float64")()
        assert [(array.shape, array.dtype) for array in outputs.arrays] == [((2, 10), np.float64)]


def test_the_map_before_the_last_pool(build):
    """7 x 7 of 224 x 224; the last convolution's map is as large."""
    probe, last = np.zeros((1, 3, 224, 224), np.float32), "denseblock4_denselayer16_conv2"
    ((_, array),) = build("densenet121", "keras").run(probe, "float32", [last])().tapped
    assert array.shape == (1, 32, 7, 7)


@pytest.fixture
def small(tmp_path):
    """Images with one odd side: padding on one side only would show."""
    path = tmp_path / "small.npy"
    np.save(path, np.random.default_rng(0).standard_normal((2, 3, 64, 77), np.float32))
    return path


@pytest.mark.parametrize(("source", "target"), [("paddle", "torch"), ("torch", "keras")])
@pytest.mark.parametrize("name", WIDE_IS_SLOW)
def test_small_ports(port, small, name, source, target):
    result = port(name, source, target, input=small)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", COUNTS[name][2])
    assert result.proof.float64.max_rel <= 1e-9


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), list(permutations(IMPLEMENTATIONS, 2)))
@pytest.mark.parametrize("name", COUNTS)
def test_ports(port, name, source, target):
    result = port(name, source, target)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", COUNTS[name][2])
    assert result.proof.float64.max_rel <= 1e-9
