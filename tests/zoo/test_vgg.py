"""VGG: what the networks hold, what they answer at several sizes, and that they port."""

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
COUNTS = {  # parameters, running statistics, tensors
    "vgg7": (62_784_872, 0, 14),
    "vgg7_bn": (62_786_280, 1_408, 30),
    "vgg9": (117_705_064, 0, 18),
    "vgg9_bn": (117_708_520, 3_456, 42),
    "vgg11": (122_424_680, 0, 22),
    "vgg11_bn": (122_430_184, 5_504, 54),
    "vgg13": (122_609_192, 0, 26),
    "vgg13_bn": (122_615_080, 5_888, 66),
    "vgg16": (127_918_888, 0, 32),
    "vgg16_bn": (127_927_336, 8_448, 84),
    "vgg16_plain": (134_264_641, 0, 32),
    "vgg19": (133_228_584, 0, 38),
    "vgg19_bn": (133_239_592, 11_008, 102),
}
POOLED = [name for name in COUNTS if name != "vgg16_plain"]  # these take images of any size
STATISTICS = ("mean", "variance", "var")  # how the names of running statistics end


def slow(values, *, beside):
    """All of `values`, those not `beside` it marked slow: the networks are large."""
    return [value if value in beside else pytest.param(value, marks=pytest.mark.slow) for value in values]


def narrow(name):
    """Options that make a network small: most of its weights are in the first linear layer."""
    return {"hidden": 16} if name == "vgg16_plain" else {"hidden1": 16, "hidden2": 12, "num_classes": 10}


def stated(table, implementation):
    """Name to shape of every tensor of the column, as the table states it."""
    named = [entry for entry in table.entries if implementation in entry.names]
    return {entry.names[implementation].name: entry.shape(implementation) for entry in named}


def built(side):
    """Name to shape of every tensor of the built network."""
    return {name: spec.shape for name, spec in side.specs.items()}


def counts(shapes):
    """Parameters, running statistics, tensors; without torch's counter of batches."""
    shapes = {name: shape for name, shape in shapes.items() if not name.endswith("num_batches_tracked")}
    statistics = sum(math.prod(shape) for name, shape in shapes.items() if name.endswith(STATISTICS))
    return sum(map(math.prod, shapes.values())) - statistics, statistics, len(shapes)


@pytest.fixture
def build(pool):
    """Builds a column of a table; the workers forget it when the test ends."""
    sides = []

    def side(name, implementation, **options):
        table = load_table(name, options)
        sides.append(Side(pool, table, table.implementation(implementation), f"vgg-{len(sides)}", "float32"))
        return sides[-1]

    yield side
    for made in sides:
        made.release()


@pytest.fixture
def image(tmp_path):
    """Writes an image to probe with; returns its path."""

    def write(height, width, batch=1):
        np.save(tmp_path / "image.npy", np.random.default_rng(1).normal(size=(batch, 3, height, width)))
        return tmp_path / "image.npy"

    return write


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", COUNTS)
def test_tables_count_right(name, implementation):
    assert counts(stated(load_table(name), implementation)) == COUNTS[name]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", slow(COUNTS, beside=["vgg7_bn"]))
def test_networks_count_right(build, name, implementation):
    side = build(name, implementation)
    assert counts(built(side)) == COUNTS[name]
    assert built(side) == stated(side.table, implementation)


@pytest.mark.parametrize("name", COUNTS)
def test_narrow_networks_are_as_their_tables_say(build, name):
    for side in [build(name, implementation, **narrow(name)) for implementation in IMPLEMENTATIONS]:
        assert built(side) == stated(side.table, side.implementation.name)


def test_names(build):
    names = set(build("vgg7_bn", "torch", **narrow("vgg7_bn")).specs)
    assert {name.rpartition(".")[0] for name in names} == {
        *(f"features.{n}" for n in (0, 1, 4, 5, 8, 9, 11, 12)),
        *(f"classifier.{n}" for n in (1, 4, 7)),
    }
    assert {"fc1.0.weight", "fc2.0.weight", "fc3.weight"} < set(build("vgg16_plain", "paddle", hidden=16).specs)
    assert {"conv1_1/kernel", "conv5_3/bias", "fc1_0/kernel"} < set(build("vgg16_plain", "keras", hidden=16).specs)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", slow(POOLED, beside=["vgg7", "vgg9_bn"]))
def test_logits_at_two_sizes(build, name, implementation):
    side = build(name, implementation, **narrow(name))
    images = [np.zeros((2, 3, *size), np.float32) for size in ((32, 32), (48, 80))]
    outputs = [side.run(batch, "float64")().arrays for batch in images]
    assert [(array.shape, array.dtype) for (array,) in outputs] == [((2, 10), np.float64)] * 2


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_maps_at_224(build, implementation):
    side = build("vgg7", implementation, **narrow("vgg7"))
    names = last_pool_and_average(implementation)
    outputs = side.run(np.zeros((1, 3, 224, 224), np.float32), "float64", names)()
    assert [array.shape for _, array in outputs.tapped] == [(1, 256, 28, 28), (1, 256, 7, 7)]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_plain_at_224(build, implementation):
    side = build("vgg16_plain", implementation, hidden=16)
    (logits,) = side.run(np.zeros((1, 3, 224, 224), np.float32), "float64")().arrays
    assert logits.shape == (1, 1)


def last_pool_and_average(implementation):
    """The last layers of vgg7 before its classifier."""
    return ("features_10" if implementation == "keras" else "features.10"), "avgpool"


def averaged(maps, size=7):
    """Adaptive average pooling as torch documents it, bin by bin."""
    height, width = maps.shape[2:]
    rows, columns = (
        [slice(i * length // size, -(-(i + 1) * length // size)) for i in range(size)] for length in (height, width)
    )
    return np.stack([np.stack([maps[:, :, r, c].mean((2, 3)) for c in columns], -1) for r in rows], -2)


def test_average_pool_is_torchs_at_any_size(port, build, tmp_path):
    """One image a size of map, from smaller than 7 to several times as large, square or not."""
    sizes = [(1, 1), (4, 5), (6, 8), (7, 7), (10, 13), (14, 14), (15, 20), (3, 29)]
    images = [np.random.default_rng(0).normal(size=(1, 3, 8 * h, 8 * w)).astype(np.float32) for h, w in sizes]
    first, seen = tmp_path / "first.npz", {}
    port("vgg7", "torch", "torch", set=narrow("vgg7"), out=first, verify=False)
    for implementation in IMPLEMENTATIONS:
        side = build("vgg7", implementation, **narrow("vgg7"))
        weights = tmp_path / f"{implementation}{side.implementation.framework.extensions[0]}"
        port("vgg7", "torch", implementation, set=narrow("vgg7"), weights=first, out=weights, verify=False)
        side.load_file(weights).result()
        runs = [side.run(image, "float64", last_pool_and_average(implementation))() for image in images]
        seen[implementation] = [[array for _, array in run.tapped] for run in runs]
    for implementation, taps in seen.items():
        for (height, width), (maps, average), (_, torchs) in zip(sizes, taps, seen["torch"], strict=True):
            assert maps.shape == (1, 256, height, width)
            np.testing.assert_allclose(average, averaged(maps), rtol=0, atol=1e-12, err_msg=implementation)
            np.testing.assert_allclose(average, torchs, rtol=0, atol=1e-12, err_msg=implementation)


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("name", slow(POOLED, beside=["vgg7", "vgg11_bn"]))
def test_narrow_ports_on_a_small_image(port, image, name, source, target):
    """The image leaves a map that does not divide into 7 x 7."""
    result = port(name, source, target, set=narrow(name), input=image(72, 104))
    assert result.verdict == "equivalent"
    assert len(result.plan.moves) == COUNTS[name][2]
    assert result.proof.float64.max_rel <= 1e-9


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("name", COUNTS)
def test_narrow_ports_at_224(port, image, name, source, target):
    result = port(name, source, target, set=narrow(name), input=image(224, 224))
    assert result.verdict == "equivalent"
    assert result.proof.float64.max_rel <= 1e-9


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("name", ["vgg7", "vgg11", "vgg16_plain"])
def test_ports(port, name, source, target):
    """At full width."""
    result = port(name, source, target)
    assert result.verdict == "equivalent"
    assert result.proof.float64.max_rel <= 1e-9
