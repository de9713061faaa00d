"""VGG-16 and VGG-19 of torchvision and paddle.vision: what they hold, what they answer, and that they port.

Paddle's own networks cannot be narrowed, and most of this is marked slow. What they share with `vgg16` and `vgg19`,
convolutions and average pool, test_vgg.py looks at.
"""

import math
from itertools import permutations, product

import numpy as np
import pytest

from xframe.mapping import load_table
from xframe.proving.sides import Side

IMPLEMENTATIONS = ("paddle", "torch", "keras")
COUNTS = {"vgg16_vision": (138_357_544, 32), "vgg19_vision": (143_667_240, 38)}  # parameters, tensors
CONVOLUTIONS = {
    "vgg16_vision": (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
    "vgg19_vision": (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34),
}


def stated(table, implementation):
    """Name to shape of every tensor of the column, as the table states it."""
    named = [entry for entry in table.entries if implementation in entry.names]
    return {entry.names[implementation].name: entry.shape(implementation) for entry in named}


@pytest.fixture
def build(pool):
    """Builds a column of a table; the workers forget it when the test ends."""
    sides = []

    def side(name, implementation, **options):
        table = load_table(name, options)
        sides.append(Side(pool, table, table.implementation(implementation), f"{name}-{len(sides)}", "float32"))
        return sides[-1]

    yield side
    for made in sides:
        made.release()


@pytest.fixture
def small(tmp_path):
    """Images that leave a map of 2 x 3, which the average pool stretches to 7 x 7."""
    path = tmp_path / "small.npy"
    np.save(path, np.random.default_rng(0).standard_normal((2, 3, 77, 104), np.float32))
    return path


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", COUNTS)
def test_tables_count_right(name, implementation):
    shapes = stated(load_table(name), implementation)
    assert (sum(map(math.prod, shapes.values())), len(shapes)) == COUNTS[name]


def test_names_are_torchvisions():
    for name, convolutions in CONVOLUTIONS.items():
        layers = [*(f"features.{n}" for n in convolutions), *(f"classifier.{n}" for n in (0, 3, 6))]
        expected = {f"{layer}.{tensor}" for layer in layers for tensor in ("weight", "bias")}
        assert set(stated(load_table(name), "torch")) == set(stated(load_table(name), "paddle")) == expected


def columns():
    """Every column of both tables; all but one are marked slow."""
    for name, implementation in product(COUNTS, IMPLEMENTATIONS):
        marks = [] if (name, implementation) == ("vgg16_vision", "torch") else [pytest.mark.slow]
        yield pytest.param(name, implementation, marks=marks, id=f"{name}-{implementation}")


@pytest.mark.parametrize(("name", "implementation"), list(columns()))
def test_networks_are_as_their_tables_say(build, name, implementation):
    """And they answer at a size of images that is not the table's."""
    side = build(name, implementation, num_classes=10)
    shapes = {name: spec.shape for name, spec in side.specs.items()}
    assert shapes == stated(side.table, implementation)
    assert sum(map(math.prod, shapes.values())) == COUNTS[name][0] - 990 * 4097
    outputs = side.run(np.zeros((2, 3, 32, 45), np.float32), "float32")()
    assert [array.shape for array in outputs.arrays] == [(2, 10)]


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), list(permutations(IMPLEMENTATIONS, 2)))
@pytest.mark.parametrize("name", COUNTS)
def test_ports_on_a_small_image(port, small, name, source, target):
    result = port(name, source, target, input=small)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", COUNTS[name][1])
    assert result.proof.float64.max_rel <= 1e-9


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), [("paddle", "torch"), ("torch", "keras"), ("keras", "paddle")])
@pytest.mark.parametrize("name", COUNTS)
def test_ports(port, name, source, target):
    result = port(name, source, target)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", COUNTS[name][1])
    assert result.proof.float64.max_rel <= 1e-9
