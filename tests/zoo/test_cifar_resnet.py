"""The residual network without batch norm: what it holds, what it answers, and that it ports."""

import math
from itertools import permutations, product

import numpy as np
import pytest

from xframe.mapping import load_table
from xframe.proving.sides import Side

IMPLEMENTATIONS = ("paddle", "torch", "keras")
CONVOLUTIONS = [f"conv_layer.{n}" for n in (0, 5, 9, 14)]
RESIDUAL = [f"conv_layer.{block}.layer.{n}" for block, n in product((4, 7, 8, 11, 12, 13, 16), (0, 2))]
LINEAR = [f"linear_layer.{n}" for n in (0, 3, 6)]


@pytest.fixture
def build(pool):
    """Builds a column of the table; the worker forgets it when the test ends."""
    sides, table = [], load_table("cifar_resnet")

    def side(implementation):
        sides.append(Side(pool, table, table.implementation(implementation), "cifar_resnet", "float32"))
        return sides[-1]

    yield side
    for built in sides:
        built.release()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_tensors(build, implementation):
    specs = build(implementation).specs
    assert sum(math.prod(spec.shape) for spec in specs.values()) == 63_435_018
    assert len(specs) == 42
    layers = [*CONVOLUTIONS, *RESIDUAL, *LINEAR]
    if implementation == "keras":
        expected = {f"{layer.replace('.', '_')}/{tensor}" for layer in layers for tensor in ("kernel", "bias")}
    else:
        expected = {f"{layer}.{tensor}" for layer in layers for tensor in ("weight", "bias")}
    assert set(specs) == expected


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_sizes_of_maps_and_probabilities(build, implementation):
    taps = [name.replace(".", "_") if implementation == "keras" else name for name in CONVOLUTIONS]
    probe = np.random.default_rng(0).standard_normal((2, 3, 32, 32), np.float32)
    outputs = build(implementation).run(probe, "float32", taps)()
    shapes = [array.shape for _, array in outputs.tapped]
    assert shapes == [(2, 64, 32, 32), (2, 128, 14, 14), (2, 256, 12, 12), (2, 512, 10, 10)]
    (probabilities,) = outputs.arrays
    assert probabilities.shape == (2, 10)
    assert np.allclose(probabilities.sum(1), 1)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_another_size_is_refused(build, implementation):
    """The first linear layer takes a map of 10 x 10."""
    with pytest.raises(Exception, match=r"(?i)shape|size|dimension"):
        build(implementation).run(np.zeros((1, 3, 40, 40), np.float32), "float32")()


@pytest.fixture
def weights(port, tmp_path):
    """Random weights for an implementation, the last kernel 64 times smaller: logits of a few.

    As they are drawn, the logits are some hundreds, and behind the softmax most faults vanish in a 1 and nine zeros.
    """
    drawn, smaller = tmp_path / "drawn.npz", tmp_path / "smaller.npz"
    port("cifar_resnet", "torch", "torch", out=drawn, verify=False)
    factors = {"linear_layer.6.weight": np.float32(1 / 64)}
    np.savez(smaller, **{name: array * factors.get(name, np.float32(1)) for name, array in np.load(drawn).items()})

    def of(implementation):
        if implementation == "torch":
            return smaller
        out = tmp_path / f"{implementation}.npz"
        return port("cifar_resnet", "torch", implementation, weights=smaller, out=out, verify=False).out

    return of


def journeys():
    for source, target in permutations(IMPLEMENTATIONS, 2):
        marks = [] if (source, target) == ("torch", "keras") else [pytest.mark.slow]
        yield pytest.param(source, target, marks=marks, id=f"{source}-{target}")


@pytest.mark.parametrize(("source", "target"), list(journeys()))
def test_ports(port, weights, source, target):
    result = port("cifar_resnet", source, target, weights=weights(source))
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 42)
    assert result.proof.float64.max_rel <= 1e-9


@pytest.mark.slow
def test_the_logits_agree(port, build, tmp_path):
    """Random weights give logits of some hundreds, whose softmax hides what the linear layer before it says."""
    probe = np.random.default_rng(0).standard_normal((2, 3, 32, 32), np.float32)
    logits = {}
    for implementation, ending in (("torch", ".pth"), ("paddle", ".pdparams"), ("keras", ".weights.h5")):
        out = tmp_path / f"ported{ending}"
        port("cifar_resnet", "torch", implementation, out=out, verify=False)
        side = build(implementation)
        side.load_file(out).result()
        last = "linear_layer_6" if implementation == "keras" else "linear_layer.6"
        ((_, logits[implementation]),) = side.run(probe, "float64", [last])().tapped
    largest = np.abs(logits["torch"]).max()
    assert largest > 10
    assert np.abs(logits["torch"][0] - logits["torch"][1]).max() > 1
    for implementation in ("paddle", "keras"):
        assert np.abs(logits[implementation] - logits["torch"]).max() <= 1e-9 * largest
