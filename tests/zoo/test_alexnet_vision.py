"""AlexNet of paddle.vision and torchvision: what it holds, what it answers, and that it ports."""

import math
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from xframe.mapping import load_table
from xframe.proving.sides import Side

IMPLEMENTATIONS = ("paddle", "torch", "keras")
FULL = 61_100_840


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

    def side(implementation, fixed=None, **options):
        table = load_table("alexnet_vision", options)
        column = table.implementation(implementation)
        column = column if fixed is None else replace(column, fixed=fixed)
        sides.append(Side(pool, table, column, f"alexnet_vision {len(sides)}", "float32"))
        return sides[-1]

    yield side
    for built in sides:
        built.release()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_table_counts_right(implementation):
    stated = shapes(load_table("alexnet_vision"), implementation)
    assert (sum(map(math.prod, stated.values())), len(stated)) == (FULL, 16)


def test_names_are_torchvisions():
    layers = [f"features.{n}" for n in (0, 3, 6, 8, 10)] + [f"classifier.{n}" for n in (1, 4, 6)]
    expected = {f"{layer}.{tensor}" for layer in layers for tensor in ("weight", "bias")}
    assert set(shapes(load_table("alexnet_vision"), "torch")) == expected


TAPS = {
    "paddle": ["_conv1._conv", "_conv2._conv", "_conv5"],
    "torch": ["features.0", "features.3", "avgpool"],
    "keras": ["features_0", "features_3", "avgpool"],
}


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_sizes_of_maps_and_logits(build, implementation):
    """The stride of 4 and the pools leave 6 x 6 of 224 x 224."""
    side = build(implementation, num_classes=10)
    assert {name: spec.shape for name, spec in side.specs.items()} == shapes(side.table, implementation)
    outputs = side.run(np.zeros((2, 3, 224, 224), np.float32), "float32", TAPS[implementation])()
    assert [array.shape for _, array in outputs.tapped] == [(2, 64, 55, 55), (2, 192, 27, 27), (2, 256, 6, 6)]
    assert [array.shape for array in outputs.arrays] == [(2, 10)]


@pytest.mark.slow
def test_other_sizes(build):
    """Paddle's network has no average pool and refuses them."""
    probe = np.zeros((1, 3, 96, 131), np.float32)
    for implementation in ("torch", "keras"):
        outputs = build(implementation, num_classes=10).run(probe, "float32")()
        assert [array.shape for array in outputs.arrays] == [(1, 10)]
    with pytest.raises(Exception, match=r"(?i)shape|size|dimension"):
        build("paddle", num_classes=10).run(probe, "float32")()


@pytest.mark.slow
@pytest.mark.parametrize("implementation", ["torch", "keras"])
def test_torchvision_s_network_is_this_one_with_halved_weights(build, port, tmp_path, implementation):
    """Without the argument nothing halves. The table tells its readers what to do then; here the weights do it."""
    endings = {"torch": ".pth", "keras": ".weights.h5"}
    drawn, halved, probe = tmp_path / "drawn.npz", tmp_path / "halved.npz", np.ones((1, 3, 224, 224), np.float32)
    port("alexnet_vision", "torch", "torch", out=drawn, verify=False)
    halves = ("classifier.1.weight", "classifier.4.weight")
    np.savez(halved, **{name: array / (2 if name in halves else 1) for name, array in np.load(drawn).items()})
    logits = []
    for weights, fixed in ((drawn, None), (halved, {}), (drawn, {})):
        out = tmp_path / f"{len(logits)}{endings[implementation]}"
        port("alexnet_vision", "torch", implementation, weights=weights, out=out, verify=False)
        side = build(implementation, fixed)
        side.load_file(out).result()
        logits.append(side.run(probe, "float64")().arrays[0])
    paddles, torchvisions, unhalved = logits
    assert np.abs(torchvisions - paddles).max() <= 1e-12 * np.abs(paddles).max()
    assert np.abs(unhalved - paddles).max() > 0.1 * np.abs(paddles).max()


def journeys():
    for source, target in permutations(IMPLEMENTATIONS, 2):
        marks = [] if (source, target) == ("paddle", "torch") else [pytest.mark.slow]
        yield pytest.param(source, target, marks=marks, id=f"{source}-{target}")


@pytest.mark.parametrize(("source", "target"), list(journeys()))
def test_ports(port, source, target):
    result = port("alexnet_vision", source, target)
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 16)
    assert result.proof.float64.max_rel <= 1e-9
    assert len(result.notes) == (2 if "paddle" in (source, target) else 0)
