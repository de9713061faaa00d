"""GoogLeNet: what it holds, what it answers, and that it ports."""

import math
from itertools import permutations, product

import numpy as np
import pytest

from xframe.mapping import load_table
from xframe.proving.sides import Side

IMPLEMENTATIONS = ("paddle", "torch", "keras")
BLOCKS = [f"block{n}" for n in ("3_1", "3_2", "4_1", "4_2", "4_3", "4_4", "4_5", "5_1", "5_2")]
PATHS = ("p1_1", "p2_1", "p2_2", "p3_1", "p3_2", "p4_2")
OUTER = ("conv1", "conv2_1", "conv2_2", "fc")


@pytest.fixture
def build(pool):
    """Builds a column of the table; the worker forgets it when the test ends."""
    sides = []

    def side(implementation, **options):
        table = load_table("googlenet", options)
        handle = f"googlenet {len(sides)}"
        sides.append(Side(pool, table, table.implementation(implementation), handle, "float32"))
        return sides[-1]

    yield side
    for built in sides:
        built.release()


def count(side):
    return sum(math.prod(spec.shape) for spec in side.specs.values())


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_counts(build, implementation):
    side = build(implementation)
    assert count(side) == 5_974_577
    assert len(side.specs) == 116
    assert count(build(implementation, num_classes=1000)) == 5_974_577 + 999 * 1025


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_names(build, implementation):
    keras = implementation == "keras"
    between, tensors = ("_", ("/kernel", "/bias")) if keras else (".", (".weight", ".bias"))
    layers = [*OUTER, *(f"{block}{between}{path}" for block, path in product(BLOCKS, PATHS))]
    assert set(build(implementation).specs) == {layer + tensor for layer in layers for tensor in tensors}


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_sizes_of_maps_and_logits(build, implementation):
    """Four pools halve the map and round an odd side up; the stem does not stride."""
    between = "_" if implementation == "keras" else "."
    taps = ["conv1", "conv2_2", *(f"{block}{between}p1_1" for block in ("block3_1", "block4_1", "block5_1"))]
    outputs = build(implementation).run(np.zeros((2, 3, 37, 64), np.float32), "float64", taps)()
    sizes = [array.shape[2:] for _, array in outputs.tapped]
    assert sizes == [(37, 64), (19, 32), (10, 16), (5, 8), (3, 4)]
    assert [(array.shape, array.dtype) for array in outputs.arrays] == [((2, 1), np.float64)]


@pytest.fixture
def small(tmp_path):
    """Images with one odd side: padding on one side only would show."""
    path = tmp_path / "small.npy"
    np.save(path, np.random.default_rng(0).standard_normal((2, 3, 37, 64), np.float32))
    return path


@pytest.mark.parametrize(("source", "target"), [("paddle", "torch"), ("torch", "keras")])
def test_small_ports(port, small, source, target):
    result = port("googlenet", source, target, input=small)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 116)
    assert result.proof.float64.max_rel <= 1e-9


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), list(permutations(IMPLEMENTATIONS, 2)))
def test_ports(port, source, target):
    result = port("googlenet", source, target)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 116)
    assert result.proof.float64.max_rel <= 1e-9
