"""ResNet-34 to -152, ResNeXt-50 and Wide ResNet-50: what they hold, what they answer, and that they port."""

import math
import re
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest

from xframe.mapping import load_table
from xframe.proving.sides import Side

RESNET = Path(__file__).parents[2] / "xframe" / "zoo" / "resnet"
STATISTICS = ("_mean", "_variance", "running_mean", "running_var", "moving_mean", "moving_variance")
DEPTHS = {"resnet101": (3, 4, 23, 3), "resnet152": (3, 8, 36, 3)}  # the others are as deep as resnet50
COUNTS = {  # trainable values of 1,000 classes, statistics, tensors
    "resnet34": (21_797_672, 17_024, 182),
    "resnet50": (25_557_032, 53_120, 267),
    "resnet101": (44_549_160, 105_344, 522),
    "resnet152": (60_192_808, 151_424, 777),
    "resnext50_32x4d": (25_028_904, 68_224, 267),
    "wide_resnet50_2": (68_883_240, 68_224, 267),
}
OF_ONE_CLASS = {"resnet50": 23_510_081, "resnet101": 42_502_209, "resnet152": 58_145_857}
MODELS = tuple(COUNTS)
QUICK = [("resnet50", "paddle/convbn", "torch"), ("resnext50_32x4d", "paddle", "torch")]


def columns(model):
    return tuple(load_table(model).implementations)


def unless(quick, *case):
    """A parameter that is slow unless it is quick."""
    return pytest.param(*case, marks=() if quick else pytest.mark.slow)


def everywhere():
    """Every column of every model. The largest and Keras, which is slow to build, are for the full run."""
    for model in MODELS:
        for column in columns(model):
            yield unless(model not in DEPTHS and (column != "keras" or model == "resnet50"), model, column)


@pytest.fixture
def build(pool):
    """Builds a column of a table; the worker forgets it when the test ends."""
    sides = []

    def side(model, implementation, **options):
        table = load_table(model, options)
        handle = f"{model} {len(sides)}"
        sides.append(Side(pool, table, table.implementation(implementation), handle, "float32"))
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


@pytest.mark.parametrize(("model", "implementation"), list(everywhere()))
def test_counts(build, model, implementation):
    trainable, statistics = sizes(build(model, implementation))
    assert (sum(trainable), sum(statistics), len(trainable) + len(statistics)) == COUNTS[model]


@pytest.mark.parametrize(("model", "implementation"), [case for case in everywhere() if case.values[0] in OF_ONE_CLASS])
def test_counts_of_one_class(build, model, implementation):
    trainable, statistics = sizes(build(model, implementation, num_classes=1))
    assert (sum(trainable), sum(statistics)) == (OF_ONE_CLASS[model], COUNTS[model][1])


def blocks(model):
    depths = DEPTHS.get(model, (3, 4, 6, 3))
    return [(stage, index) for stage, depth in enumerate(depths) for index in range(depth)]


@pytest.mark.parametrize("model", [unless(model not in DEPTHS, model) for model in MODELS])
def test_names_are_torchvisions(build, model):
    numbers, first = ((1, 2), 1) if model == "resnet34" else ((1, 2, 3), 0)
    each = [f"layer{stage + 1}.{index}" for stage, index in blocks(model)]
    projected = [f"layer{stage + 1}.0.downsample" for stage in range(first, 4)]
    convolutions = ["conv1", *(f"{b}.conv{n}" for b, n in product(each, numbers)), *(f"{p}.0" for p in projected)]
    norms = ["bn1", *(f"{b}.bn{n}" for b, n in product(each, numbers)), *(f"{p}.1" for p in projected)]
    tensors = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    expected = {f"{layer}.weight" for layer in convolutions} | {f"{n}.{t}" for n, t in product(norms, tensors)}
    assert set(build(model, "torch").specs) == expected | {"fc.weight", "fc.bias"}


@pytest.mark.parametrize("model", [unless(model not in DEPTHS, model) for model in OF_ONE_CLASS])
@pytest.mark.parametrize("framework", ["paddle", "torch"])
def test_names_of_convbn(build, model, framework):
    layers = ["conv", *(f"bb_{stage}_0.short" for stage in range(4))]
    layers += [f"bb_{stage}_{index}.conv{n}" for (stage, index), n in product(blocks(model), range(3))]
    found = {name for name in build(model, f"{framework}/convbn").specs if not name.endswith("num_batches_tracked")}
    names = ("_mean", "_variance") if framework == "paddle" else ("running_mean", "running_var")
    tensors = ["_conv.weight", *(f"_batch_norm.{name}" for name in ("weight", "bias", *names))]
    assert found == {f"{layer}.{tensor}" for layer, tensor in product(layers, tensors)} | {"out.weight", "out.bias"}


TAPS = {
    "paddle": ("relu", "layer1", "layer2", "layer3", "layer4", "avgpool"),
    "paddle/convbn": ("conv", "bb_0_2", "bb_1_3", "bb_2_5", "bb_3_2", "pool2d_avg"),
    "keras": ("relu", "layer1_2_relu3", "layer2_3_relu3", "layer3_5_relu3", "layer4_2_relu3", "avgpool"),
}
TAPS |= {"torch": TAPS["paddle"], "torch/convbn": TAPS["paddle/convbn"]}
MAPS = {  # from the stem to the last pool, of images of these sizes
    (224, 224): [(112, 112), (56, 56), (28, 28), (14, 14), (7, 7), (1, 1)],
    (96, 75): [(48, 38), (24, 19), (12, 10), (6, 5), (3, 3), (1, 1)],
}


@pytest.mark.parametrize("size", MAPS)
@pytest.mark.parametrize("implementation", columns("resnet50"))
def test_feature_maps(build, implementation, size):
    taps = TAPS[implementation]
    outputs = build("resnet50", implementation).run(np.zeros((1, 3, *size), np.float32), "float32", taps)()
    seen = {name: (*array.shape, 1, 1)[:4] for name, array in outputs.tapped}  # Keras' pool leaves no map of 1 x 1
    expected = [(1, c, *s) for c, s in zip((64, 256, 512, 1024, 2048, 2048), MAPS[size], strict=True)]
    assert [seen[name] for name in taps] == expected
    assert [array.shape for array in outputs.arrays] == [(1, 1000)]


@pytest.mark.parametrize("model", [unless(model not in DEPTHS, model) for model in MODELS])
def test_logits_in_float64(build, model):
    outputs = build(model, "torch", num_classes=10).run(np.zeros((2, 3, 32, 45), np.float32), "float64")()
    assert [(array.shape, array.dtype) for array in outputs.arrays] == [((2, 10), np.float64)]


@pytest.fixture
def small(tmp_path):
    """Images with one odd side: padding on one side only would show."""
    path = tmp_path / "small.npy"
    np.save(path, np.random.default_rng(0).standard_normal((2, 3, 64, 77), np.float32))
    return path


def pairs():
    """Every ordered pair; of the two deepest, which take longest, one each."""
    for model in MODELS:
        ordered = [("paddle/convbn", "torch")] if model in DEPTHS else permutations(columns(model), 2)
        for source, target in ordered:
            yield unless((model, source, target) in QUICK, model, source, target)


@pytest.mark.parametrize(("model", "source", "target"), list(pairs()))
def test_small_ports(port, small, model, source, target):
    result = port(model, source, target, input=small)
    counters = COUNTS[model][2] // 5 if "torch" in source and "torch" in target else 0
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", COUNTS[model][2] + counters)
    assert result.proof.float64.max_rel <= 1e-9


@pytest.mark.slow
def test_port_of_full_images(port):
    result = port("resnet50", "paddle", "torch")
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", 267)
    assert result.proof.float64.max_rel <= 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_tables_fit(model, cli):
    assert cli("check", model).stdout.startswith(f"ok  {model}")


def definitions(folder, framework):
    """The names of a file's functions and classes, in its order; a class there may be a function here."""
    text = (RESNET / folder / f"{framework}.py").read_text(encoding="utf-8")
    return [name.replace("_", "").lower() for name in re.findall(r"^(?:def|class) (\w+)", text, flags=re.MULTILINE)]


def test_the_dialects_define_the_same_in_the_same_order():
    assert definitions("deeper", "torch") == definitions("deeper", "keras") != []
    assert definitions("variants", "paddle") == definitions("variants", "torch") != []
