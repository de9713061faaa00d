"""ShuffleNet V2: what it holds, what it answers, and that it ports."""

import math
from itertools import permutations

import numpy as np
import pytest

from xframe.mapping import load_table
from xframe.proving.sides import Side

IMPLEMENTATIONS = ("paddle", "torch", "keras")
STATISTICS = ("_mean", "_variance", "running_mean", "running_var", "moving_mean", "moving_variance")
BLOCKS = [f"stage{stage}.{n}" for stage, depth in ((2, 4), (3, 8), (4, 4)) for n in range(depth)]


@pytest.fixture
def build(pool):
    """Builds a column of the table; the worker forgets it when the test ends."""
    sides = []

    def side(implementation, **options):
        table = load_table("shufflenet_v2_x1_0", options)
        handle = f"shufflenet {len(sides)}"
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
def test_counts(build, implementation):
    trainable, statistics = sizes(build(implementation))
    assert (sum(trainable), sum(statistics)) == (2_278_604, 16_180)
    assert len(trainable) + len(statistics) == 282
    trainable, _ = sizes(build(implementation, num_classes=10))
    assert sum(trainable) == 2_278_604 - 990 * 1025


def test_names_are_torchvisions(build):
    second = [(f"{block}.branch2", n) for block in BLOCKS for n in (0, 3, 5)]
    first = [(f"{block}.branch1", n) for block in BLOCKS if block.endswith(".0") for n in (0, 2)]
    pairs = [("conv1", 0), ("conv5", 0), *first, *second]
    tensors = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {f"{layer}.{n}.weight" for layer, n in pairs}
    expected |= {f"{layer}.{n + 1}.{tensor}" for layer, n in pairs for tensor in tensors}
    assert set(build("torch").specs) == expected | {"fc.weight", "fc.bias"}


PROBE = np.random.default_rng(0).standard_normal((2, 3, 64, 77), np.float32)  # one odd side: padding on one would show


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_sizes_of_maps_and_logits(build, implementation):
    """Five strides halve the map and round an odd side up."""
    taps = {
        "paddle": ["_conv1", "2_1", "3_1", "4_1", "_last_conv"],
        "torch": ["conv1", "stage2", "stage3", "stage4", "conv5"],
        "keras": ["conv1_0", "stage2_0_shuffle", "stage3_0_shuffle", "stage4_0_shuffle", "conv5_0"],
    }
    outputs = build(implementation, num_classes=10).run(PROBE, "float64", taps[implementation])()
    found = [array.shape[1:] for _, array in outputs.tapped]
    assert found == [(24, 32, 39), (116, 8, 10), (232, 4, 5), (464, 2, 3), (1024, 2, 3)]
    assert [(array.shape, array.dtype) for array in outputs.arrays] == [((2, 10), np.float64)]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_channels_of_the_branches_alternate(build, implementation):
    """In the second block the one branch is half of what enters, as it is."""
    taps = {
        "paddle": ["2_1._conv_linear_1", "2_1._conv_linear_2", "2_1", "2_2._conv_linear", "2_2"],
        "torch": ["stage2.0.branch1", "stage2.0.branch2", "stage2.0", "stage2.1.branch2", "stage2.1"],
        "keras": [f"stage2_{name}" for name in ("0_branch1_4", "0_branch2_7", "0_shuffle", "1_branch2_7", "1_shuffle")],
    }
    outputs = build(implementation).run(PROBE, "float32", taps[implementation])()
    branch1, branch2, first, right, second = (array for _, array in outputs.tapped)
    assert np.array_equal(first, np.stack([branch1, branch2], axis=2).reshape(first.shape))
    assert np.array_equal(second, np.stack([first[:, :58], right], axis=2).reshape(first.shape))
    assert first.std(axis=1).min() > 0


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.npy"
    np.save(path, PROBE)
    return path


@pytest.mark.parametrize(("source", "target"), [("paddle", "torch"), ("torch", "keras")])
def test_small_ports(port, small, source, target):
    result = port("shufflenet_v2_x1_0", source, target, input=small)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 282)
    assert result.proof.float64.max_rel <= 1e-9


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), list(permutations(IMPLEMENTATIONS, 2)))
def test_ports(port, source, target):
    result = port("shufflenet_v2_x1_0", source, target)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 282)
    assert result.proof.float64.max_rel <= 1e-9
