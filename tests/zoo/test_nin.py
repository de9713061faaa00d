"""Network in network: what it holds, what it answers, and that it ports."""

import math
from itertools import permutations

import numpy as np
import pytest

from xframe.mapping import load_table
from xframe.proving.sides import Side

IMPLEMENTATIONS = ("paddle", "torch", "torch/avgpool8", "keras")
ANY_SIZE = ("paddle", "torch", "keras")
FAST = (("torch", "keras"), ("paddle", "torch/avgpool8"))


@pytest.fixture
def build(pool):
    """Builds a column of the table; the worker forgets it when the test ends."""
    sides, table = [], load_table("nin")

    def side(implementation):
        sides.append(Side(pool, table, table.implementation(implementation), f"nin {implementation}", "float32"))
        return sides[-1]

    yield side
    for built in sides:
        built.release()


def answer(side, size, dtype="float64", taps=()):
    return side.run(np.ones((2, 3, size, size), np.float32), dtype, taps)()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_counts(build, implementation):
    shapes = [spec.shape for spec in build(implementation).specs.values()]
    assert sum(map(math.prod, shapes)) == 966_986
    assert len(shapes) == 18


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_names(build, implementation):
    keras = implementation == "keras"
    tensors = ("/kernel", "/bias") if keras else (".weight", ".bias")
    assert set(build(implementation).specs) == {f"conv{n}{tensor}" for n in range(1, 10) for tensor in tensors}


@pytest.mark.parametrize("implementation", ANY_SIZE)
def test_the_pools_halve_the_map(build, implementation):
    outputs = answer(build(implementation), 32, taps=["conv1", "conv4", "conv9"])
    assert [array.shape for _, array in outputs.tapped] == [(2, 192, 32, 32), (2, 192, 16, 16), (2, 10, 8, 8)]
    assert [(array.shape, array.dtype) for array in outputs.arrays] == [((2, 10), np.float64)]


@pytest.mark.parametrize("implementation", ANY_SIZE)
@pytest.mark.parametrize("size", [31, 48])
def test_other_sizes(build, implementation, size):
    assert answer(build(implementation), size).arrays[0].shape == (2, 10)


def journeys():
    for source, target in permutations(IMPLEMENTATIONS, 2):
        marks = [] if (source, target) in FAST else [pytest.mark.slow]
        yield pytest.param(source, target, marks=marks, id=f"{source}-{target}")


@pytest.mark.parametrize(("source", "target"), list(journeys()))
def test_ports(port, source, target):
    result = port("nin", source, target)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 18)
    assert result.proof.float64.max_rel <= 1e-9
