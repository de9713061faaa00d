"""GoogLeNet of paddle.vision: what it holds, what its three heads answer, and that it ports."""

import math
from itertools import combinations, permutations, product

import numpy as np
import pytest

from xframe.mapping import load_table
from xframe.proving.sides import Side

IMPLEMENTATIONS = ("paddle", "torch", "keras")
BLOCKS = [f"inception{n}" for n in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")]
BRANCHES = ("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1")
CONVOLUTIONS = ["conv1", "conv2", "conv3", *(f"{block}.{branch}" for block, branch in product(BLOCKS, BRANCHES))]
LINEAR = ["fc", *(f"aux{n}.fc{m}" for n, m in product((1, 2), (1, 2)))]


@pytest.fixture
def build(pool):
    """Builds a column of the table; the worker forgets it when the test ends."""
    sides = []

    def side(implementation, **options):
        table = load_table("googlenet_vision", options)
        handle = f"googlenet_vision {len(sides)}"
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
    assert (count(side), len(side.specs)) == (11_535_736, 69)
    assert count(build(implementation, num_classes=10)) == 11_535_736 - 3 * 990 * 1025


def test_names_are_torchvisions_but_for_the_batch_norms(build):
    kernels = [f"{layer}.conv.weight" for layer in (*CONVOLUTIONS, "aux1.conv", "aux2.conv")]
    tensors = [f"{layer}.{tensor}" for layer, tensor in product(LINEAR, ("weight", "bias"))]
    assert set(build("torch").specs) == {*kernels, *tensors}


@pytest.mark.parametrize("size", [(189, 236), (224, 224)])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_sizes_of_maps_and_logits(build, implementation, size):
    """The pools round down; 189 and 236 are the shortest and longest side that leave 3 x 3 in the auxiliary heads."""
    taps = {
        "paddle": ["_conv", "_conv_2", "_ince3a", "_ince4a", "_ince5a"],
        "torch": ["conv1", "conv3", "inception3a", "inception4a", "inception5a"],
        "keras": ["conv1_conv", "conv3_conv", "inception3a", "inception4a", "inception5a"],
    }
    side = build(implementation, num_classes=10)
    outputs = side.run(np.zeros((2, 3, *size), np.float32), "float32", taps[implementation])()
    of_a_side = {189: (95, 47, 23, 11, 5), 224: (112, 55, 27, 13, 6), 236: (118, 58, 28, 13, 6)}
    assert [array.shape[2:] for _, array in outputs.tapped] == [
        *zip(*(of_a_side[length] for length in size), strict=True)
    ]
    assert [array.shape for array in outputs.arrays] == [(2, 10)] * 3


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_other_sizes_are_refused(build, implementation):
    side = build(implementation, num_classes=10)
    for size in (188, 237):
        with pytest.raises(Exception, match=r"(?i)shape|size|dimension"):
            side.run(np.zeros((1, 3, size, size), np.float32), "float32")()


def test_the_three_heads_answer_differently(build, port, tmp_path):
    """A head that answered for another would not show where two agree, nor a dead one where nothing moves it."""
    out = tmp_path / "ported.pth"
    port("googlenet_vision", "torch", "torch", out=out, verify=False)
    side = build("torch")
    side.load_file(out).result()
    probe = np.random.default_rng(0).standard_normal((2, 3, 192, 192), np.float32)
    outputs = side.run(probe, "float32")().arrays
    for one, other in combinations(outputs, 2):
        assert np.abs(one - other).max() > 0.1 * np.abs(one).max()
    for first, second in outputs:
        assert np.abs(first - second).max() > 0.01 * np.abs(first).max()


@pytest.fixture
def small(tmp_path):
    """One image with unequal sides, one of them odd: padding on one side only would show."""
    path = tmp_path / "small.npy"
    np.save(path, np.random.default_rng(0).standard_normal((1, 3, 189, 204), np.float32))
    return path


@pytest.mark.parametrize(("source", "target"), [("paddle", "torch"), ("torch", "keras")])
def test_small_ports(port, small, source, target):
    result = port("googlenet_vision", source, target, input=small)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 69)
    assert result.proof.float64.max_rel <= 1e-9
    assert bool(result.notes) == (source == "paddle")


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), list(permutations(IMPLEMENTATIONS, 2)))
def test_ports(port, source, target):
    result = port("googlenet_vision", source, target)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 69)
    assert result.proof.float64.max_rel <= 1e-9
