"""SqueezeNet: what it holds, what it answers, and that it ports."""

import dataclasses
import math
import re
from itertools import permutations, product

import numpy as np
import pytest

from xframe.mapping import load_table
from xframe.proving.sides import Side

IMPLEMENTATIONS = ("paddle", "torch", "keras")
FIRES = (3, 4, 6, 7, 9, 10, 11, 12)
PARTS = ("squeeze", "expand1x1", "expand3x3")


@pytest.fixture
def build(pool):
    """Builds a column of the table; the worker forgets it when the test ends. `own`: with torchvision's arguments."""
    sides = []

    def side(implementation, own=False, **options):
        table = load_table("squeezenet1_1", options)
        column = table.implementation(implementation)
        column = dataclasses.replace(column, fixed={}) if own else column
        sides.append(Side(pool, table, column, f"squeezenet {len(sides)}", "float32"))
        return sides[-1]

    yield side
    for built in sides:
        built.release()


def count(side):
    return sum(math.prod(spec.shape) for spec in side.specs.values())


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_counts(build, implementation):
    side = build(implementation)
    assert (count(side), len(side.specs)) == (1_235_496, 52)
    assert count(build(implementation, num_classes=10)) == 1_235_496 - 990 * 513


def test_names_are_torchvisions(build):
    fires = (f"features.{n}.{part}" for n, part in product(FIRES, PARTS))
    layers = ["features.0", *fires, "classifier.1"]
    assert set(build("torch").specs) == {f"{layer}.{t}" for layer in layers for t in ("weight", "bias")}
    keras = {f"{layer.replace('.', '_')}/{t}" for layer in layers for t in ("kernel", "bias")}
    assert set(build("keras").specs) == keras


PROBE = np.random.default_rng(0).standard_normal((2, 3, 64, 77), np.float32)
TAPS = {  # what lies behind each pool, and the last map
    "paddle": ["_conv", "_conv1._conv", "_conv3._conv", "_conv5._conv", "_conv9"],
    "torch": ["features.0", "features.3.squeeze", "features.6.squeeze", "features.9.squeeze", "classifier.1"],
    "keras": ["features_0", "features_3_squeeze", "features_6_squeeze", "features_9_squeeze", "classifier_1"],
}


def maps(side):
    """Height and width of the maps on the way."""
    outputs = side.run(PROBE, "float64", TAPS[side.implementation.name])()
    assert [(array.shape, array.dtype) for array in outputs.arrays] == [((2, 10), np.float64)]
    return [array.shape[2:] for _, array in outputs.tapped]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_paddle_pads_the_first_convolution_and_pools_round_down(build, implementation):
    side = build(implementation, num_classes=10)
    assert maps(side) == [(32, 39), (15, 19), (7, 9), (3, 4), (3, 4)]


@pytest.mark.parametrize("implementation", ["torch", "keras"])
def test_torchvision_pads_nothing_and_pools_round_up(build, implementation):
    side = build(implementation, own=True, num_classes=10)
    assert maps(side) == [(31, 38), (15, 19), (7, 9), (3, 4), (3, 4)]


def test_a_side_at_which_rounding_shows(build):
    """Paddle's way 40 pixels become 20, 9, 4, 1; torchvision's 19, 9, 4, 2."""
    probe = np.zeros((1, 3, 40, 40), np.float32)
    for own, expected in ((False, [20, 9, 4, 1, 1]), (True, [19, 9, 4, 2, 2])):
        for name in ("torch", "keras"):
            outputs = build(name, own=own).run(probe, "float32", TAPS[name])()
            assert [array.shape[2] for _, array in outputs.tapped] == expected


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.npy"
    np.save(path, PROBE)
    return path


@pytest.mark.parametrize(("source", "target"), [("paddle", "torch"), ("torch", "keras")])
def test_small_ports(port, small, source, target):
    result = port("squeezenet1_1", source, target, input=small)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 52)
    assert len(result.notes) == (2 if source == "paddle" else 0)


@pytest.fixture
def own(tmp_path):
    """The table without the arguments that make torch and keras compute what paddle does."""
    text = load_table("squeezenet1_1").file.read_text(encoding="utf-8")
    text, count = re.subn(r", with = \{.*?\}", "", text)
    assert count == 2
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_with_torchvisions_arguments_torch_and_keras_agree(port, own, small):
    assert port(own, "torch", "keras", input=small).verdict == "equivalent"


def test_with_torchvisions_arguments_paddle_computes_something_else(port, own, small):
    result = port(own, "paddle", "torch", input=small)
    assert result.verdict == "different"
    assert result.proof.float64.max_rel > 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), list(permutations(IMPLEMENTATIONS, 2)))
def test_ports(port, source, target):
    result = port("squeezenet1_1", source, target)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 52)
    assert result.proof.float64.max_rel <= 1e-9
