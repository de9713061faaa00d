"""Inception v3: what it holds, what it answers, and that it ports."""

import dataclasses
import math
import re
from itertools import permutations

import numpy as np
import pytest

from xframe.mapping import load_table
from xframe.proving.sides import Side

IMPLEMENTATIONS = ("paddle", "torch", "keras")
STATISTICS = ("_mean", "_variance", "running_mean", "running_var", "moving_mean", "moving_variance")
STEM = [f"Conv2d_{n}" for n in ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")]
DOUBLE = [f"branch3x3dbl_{n}" for n in (1, 2, 3)]
SEVEN = [*(f"branch7x7_{n}" for n in (1, 2, 3)), *(f"branch7x7dbl_{n}" for n in (1, 2, 3, 4, 5))]
THREE = [f"branch3x3{n}" for n in ("_1", "_2a", "_2b", "dbl_1", "dbl_2", "dbl_3a", "dbl_3b")]
BRANCHES = {
    "5b 5c 5d": ["branch1x1", "branch5x5_1", "branch5x5_2", *DOUBLE, "branch_pool"],
    "6a": ["branch3x3", *DOUBLE],
    "6b 6c 6d 6e": ["branch1x1", *SEVEN, "branch_pool"],
    "7a": ["branch3x3_1", "branch3x3_2", *(f"branch7x7x3_{n}" for n in (1, 2, 3, 4))],
    "7b 7c": ["branch1x1", *THREE, "branch_pool"],
}
AUXILIARY = 768 * 128 + 2 * 128 + 128 * 768 * 25 + 2 * 768 + 769 * 1000  # torchvision's auxiliary head


@pytest.fixture
def build(pool):
    """Builds a column of the table; the worker forgets it when the test ends. `own`: with torchvision's arguments."""
    sides = []

    def side(implementation, own=False, **options):
        table = load_table("inception_v3", options)
        column = table.implementation(implementation)
        column = dataclasses.replace(column, fixed={}) if own else column
        sides.append(Side(pool, table, column, f"inception {len(sides)}", "float32"))
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
    """torchvision states 27,161,264 parameters: with its auxiliary head."""
    trainable, statistics = sizes(build(implementation))
    assert (sum(trainable), sum(statistics)) == (27_161_264 - AUXILIARY, 34_432)
    assert sum(trainable) == 23_834_568
    assert len(trainable) + len(statistics) == 472


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_counts_with_ten_classes(build, implementation):
    trainable, _ = sizes(build(implementation, num_classes=10))
    assert sum(trainable) == 23_834_568 - 990 * 2049


def test_names_are_torchvisions(build):
    mixed = [f"Mixed_{name}.{b}" for names, branches in BRANCHES.items() for name in names.split() for b in branches]
    tensors = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {f"{layer}.conv.weight" for layer in [*STEM, *mixed]}
    expected |= {f"{layer}.bn.{tensor}" for layer in [*STEM, *mixed] for tensor in tensors}
    assert len([*STEM, *mixed]) == 94
    assert set(build("torch").specs) == expected | {"fc.weight", "fc.bias"}


PROBE = np.random.default_rng(0).standard_normal((2, 3, 75, 96), np.float32)
BLOCKS = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")


def taps(implementation, names):
    """The named blocks, as the implementation calls them."""
    paddle = implementation == "paddle"
    return [f"inception_block_list.{BLOCKS.index(name)}" if paddle else f"Mixed_{name}" for name in names]


@pytest.mark.parametrize("implementation", ["paddle", "torch", pytest.param("keras", marks=pytest.mark.slow)])
def test_sizes_of_maps_and_logits(build, implementation):
    side = build(implementation, num_classes=10)
    outputs = side.run(PROBE, "float64", taps(implementation, BLOCKS))()
    found = [array.shape[1:] for _, array in outputs.tapped]
    first, second, third = [(288, 7, 9)] * 2, [(768, 3, 4)] * 5, [(2048, 1, 1)] * 2
    assert found == [(256, 7, 9), *first, *second, (1280, 1, 1), *third]
    assert [(array.shape, array.dtype) for array in outputs.arrays] == [((2, 10), np.float64)]


def means(x):
    """Of 3x3 values, zeros around the map among them: always a ninth of the sum."""
    height, width = x.shape[2:]
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return sum(x[:, :, row : row + height, column : column + width] for row in range(3) for column in range(3)) / 9


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_average_pools_count_the_zeros_of_the_padding(build, implementation):
    pool = {"paddle": ".branch_pool", "torch": ".pool", "keras": "_pool"}[implementation]
    block, following = taps(implementation, ["5b", "5c"])
    outputs = build(implementation).run(PROBE, "float64", [block, following + pool])()
    (_, entering), (_, pooled) = outputs.tapped
    assert entering[:, :, 0, 0].max() > 0
    np.testing.assert_allclose(pooled, means(entering), rtol=1e-12, atol=1e-15)


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.npy"
    np.save(path, PROBE)
    return path


KERAS_TOO = pytest.param("torch", "keras", marks=pytest.mark.slow)


@pytest.mark.parametrize(("source", "target"), [("paddle", "torch"), KERAS_TOO])
def test_small_ports(port, small, source, target):
    result = port("inception_v3", source, target, input=small)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 472)
    assert result.proof.float64.max_rel <= 1e-9  # Paddle's factor in inference is 0.8 in float32: 1.5e-8 away from 0.8
    assert len(result.notes) == (3 if source == "paddle" else 0)


@pytest.fixture
def changed(tmp_path):
    """The table with other arguments for torch and keras."""

    def change(pattern, replacement):
        text = load_table("inception_v3").file.read_text(encoding="utf-8")
        text, count = re.subn(pattern, replacement, text)
        assert count == 2
        path = tmp_path / "changed.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return change


@pytest.mark.slow
def test_with_torchvisions_arguments_torch_and_keras_agree(port, changed, small):
    table = changed(r", with = \{.*?\}", "")
    assert port(table, "torch", "keras", input=small).verdict == "equivalent"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "replacement", "distance"),
    [("epsilon = 1e-5", "epsilon = 1e-3", 1e-4), ("dropout = 0.2", "dropout = 0.5", 0.2)],
)
def test_with_another_epsilon_or_dropout_paddle_computes_something_else(
    port, changed, small, pattern, replacement, distance
):
    result = port(changed(pattern, replacement), "paddle", "torch", input=small)
    assert result.verdict == "different"
    assert result.proof.float64.max_rel > distance


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), list(permutations(IMPLEMENTATIONS, 2)))
def test_ports(port, source, target):
    result = port("inception_v3", source, target)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 472)
    assert result.proof.float64.max_rel <= 1e-9
