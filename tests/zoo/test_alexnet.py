"""AlexNet: what it holds, what it answers, and that it ports."""

import math
from itertools import permutations

import numpy as np
import pytest

from xframe.mapping import load_table
from xframe.proving.sides import Side

IMPLEMENTATIONS = ("paddle", "torch", "keras")
REPRESENTATIVE = [("torch", "keras"), ("keras", "paddle")]
PAIRS = [
    pytest.param(*pair, marks=[] if pair in REPRESENTATIVE else [pytest.mark.slow])
    for pair in permutations(IMPLEMENTATIONS, 2)
]
NARROW = {"hidden": 16, "num_classes": 10}  # nine tenths of the weights are in the linear layers
FULL = 50_820_776


def shapes(table, implementation):
    """Every tensor of the column, as the table states it."""
    return {
        entry.names[implementation].name: entry.shape(implementation)
        for entry in table.entries
        if implementation in entry.names
    }


@pytest.fixture
def build(pool):
    """Builds a column of the table; the worker forgets it when the test ends."""
    sides = []

    def side(implementation, dtype="float32", **options):
        table = load_table("alexnet", options)
        sides.append(Side(pool, table, table.implementation(implementation), "alexnet", dtype))
        return sides[-1]

    yield side
    for built in sides:
        built.release()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_table_counts_right(implementation):
    stated = shapes(load_table("alexnet"), implementation)
    assert (sum(map(math.prod, stated.values())), len(stated)) == (FULL, 16)


@pytest.mark.slow
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_network_counts_right(build, implementation):
    built = {name: spec.shape for name, spec in build(implementation).specs.items()}
    assert (sum(map(math.prod, built.values())), len(built)) == (FULL, 16)
    assert built == shapes(load_table("alexnet"), implementation)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_names(build, implementation):
    layers = [f"conv.{n}" for n in (0, 3, 6, 8, 10)] + [f"fc.{n}" for n in (0, 3, 6)]
    expected = {f"{layer}.{tensor}" for layer in layers for tensor in ("weight", "bias")}
    if implementation == "keras":
        expected = {f"{layer.replace('.', '_')}/{tensor}" for layer in layers for tensor in ("kernel", "bias")}
    assert set(build(implementation, **NARROW).specs) == expected


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_options(build, implementation):
    side = build(implementation, in_channels=3, **NARROW)
    assert {name: spec.shape for name, spec in side.specs.items()} == shapes(side.table, implementation)
    assert sum(math.prod(spec.shape) for spec in side.specs.values()) == 3_850_058


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_sizes_of_maps_and_logits(build, implementation):
    """The stride of 4 and the pools leave 5 x 5 of 224 x 224."""
    columns = ["conv_0", "conv_3", "conv_10"]
    taps = columns if implementation == "keras" else [name.replace("_", ".") for name in columns]
    outputs = build(implementation, **NARROW).run(np.zeros((2, 1, 224, 224), np.float32), "float64", taps)()
    assert [array.shape for _, array in outputs.tapped] == [(2, 96, 54, 54), (2, 256, 26, 26), (2, 256, 12, 12)]
    assert [(array.shape, array.dtype) for array in outputs.arrays] == [((2, 10), np.float64)]


@pytest.mark.parametrize("size", [195, 226])
@pytest.mark.parametrize("implementation", ["paddle", "torch"])
def test_other_sizes_that_leave_the_same_map(build, implementation, size):
    """Keras, whose input is fixed at 224 x 224, has no such sizes."""
    outputs = build(implementation, **NARROW).run(np.zeros((1, 1, size, size), np.float32), "float64")()
    assert outputs.arrays[0].shape == (1, 10)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_narrow_ports(port, source, target):
    result = port("alexnet", source, target, set=NARROW)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 16)
    assert result.proof.float64.max_rel <= 1e-9


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_ports(port, source, target):
    result = port("alexnet", source, target)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 16)
    assert result.proof.float64.max_rel <= 1e-9
