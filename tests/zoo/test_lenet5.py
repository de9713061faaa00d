"""The LeNet-5s with one kind of pooling: what they hold, what they return, and every pair ported."""

import re
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from xframe.errors import PlanError
from xframe.mapping import load_table
from xframe.proving.probe import random_input
from xframe.proving.sides import Side

ROOT = Path(__file__).parents[2]
CLASSES = ("conv1", "conv2", "fc1", "fc2", "fc3")
SUBSAMPLING = ("con_sam.0", "con_sam.2", "con_sam.4", "con_sam.6", "con_sam.8", "fc.0", "fc.2")

LAYERS = {
    "lenet5": {
        "paddle": CLASSES,
        "torch": CLASSES,
        "torch/sequential": ("0", "3", "7", "9", "11"),
        "torch/fullconv": ("conv1", "conv2", "conv3", "fc2", "fc3"),
        "keras": ("conv2d", "conv2d_1", "dense", "dense_1", "dense_2"),
        "tf": ("conv_{}1", "conv_{}2", "fc_{}1", "fc_{}2", "out_{}"),
    },
    "lenet5_sigmoid": {
        "paddle": ("1", "4", "8", "10", "12"),
        "torch": ("1", "4", "8", "10", "12"),
        "keras": CLASSES,
    },
    "lenet5_subsampling": {
        "paddle": SUBSAMPLING,
        "torch": SUBSAMPLING,
        "keras": tuple(name.replace(".", "_") for name in SUBSAMPLING),
    },
}
COUNTS = {"lenet5": (61_706, 10), "lenet5_sigmoid": (61_706, 10), "lenet5_subsampling": (61_750, 14)}
NO_BIAS = {("lenet5", "tf"): (61_684, 8)}  # two convolutions without bias, of 6 and 16 channels
PROBABILITIES = {("lenet5", "torch"), ("lenet5", "torch/sequential"), ("lenet5", "keras")}
COLUMNS = [(model, column) for model, columns in LAYERS.items() for column in columns]
IN_CI = {
    ("lenet5", "paddle", "torch"),
    ("lenet5", "keras", "torch/fullconv"),
    ("lenet5", "torch/fullconv", "torch/sequential"),
    ("lenet5", "tf", "torch/sequential"),
    ("lenet5", "keras", "tf"),
    ("lenet5_sigmoid", "torch", "keras"),
    ("lenet5_subsampling", "paddle", "keras"),
    ("lenet5_subsampling", "torch", "paddle"),
}


@pytest.fixture
def build(pool):
    def run(model, implementation):
        table = load_table(model)
        return Side(pool, table, table.implementation(implementation), f"{model} facts", "float32")

    return run


def test_every_column_is_tested():
    assert {model: [*columns] for model, columns in LAYERS.items()} == {
        model: [*load_table(model).implementations] for model in LAYERS
    }


@pytest.mark.parametrize(("model", "implementation"), COLUMNS)
def test_counts_and_names(build, model, implementation):
    specs = build(model, implementation).specs
    counts = NO_BIAS.get((model, implementation), COUNTS[model])
    assert (sum(spec.numel for spec in specs.values()), len(specs)) == counts
    layers = [layer_of(name, implementation) for name in specs]
    assert sorted(set(layers)) == sorted(LAYERS[model][implementation])
    alone = ("conv_{}1", "conv_{}2")
    assert all(layers.count(layer) == (1 if layer in alone else 2) for layer in layers)


def layer_of(name, implementation):
    """The layer that a tensor is of; tf's variables have the letter W or b within their names."""
    if implementation == "tf":
        return re.sub("_[Wb]", "_{}", name)
    return name.replace("/", ".").rsplit(".", 1)[0]


@pytest.mark.parametrize(("model", "implementation"), COLUMNS)
def test_outputs_are_what_the_table_says(build, model, implementation):
    side = build(model, implementation)
    (outputs,) = side.run(random_input(side.table, 0), "float64")().arrays
    assert (outputs.shape, outputs.dtype) == ((2, 10), np.float64)
    are_probabilities = (outputs > 0).all() and np.abs(outputs.sum(axis=1) - 1).max() < 1e-12
    assert are_probabilities == (side.implementation.output == "probabilities")
    assert are_probabilities == ((model, implementation) in PROBABILITIES)


def test_the_largest_layer_in_four_shapes(build):
    names = {"paddle": "fc1.weight", "torch": "fc1.weight", "torch/fullconv": "conv3.weight", "keras": "dense/kernel"}
    shapes = {column: build("lenet5", column).specs[name].shape for column, name in names.items()}
    assert shapes == {
        "paddle": (400, 120),
        "torch": (120, 400),
        "torch/fullconv": (120, 16, 5, 5),
        "keras": (400, 120),
    }


def pairs():
    for model, columns in LAYERS.items():
        for source, target in permutations(columns, 2):
            marks = () if (model, source, target) in IN_CI else (pytest.mark.slow,)
            yield pytest.param(model, source, target, id=f"{model}-{source}-{target}", marks=marks)


@pytest.mark.parametrize(("model", "source", "target"), list(pairs()))
def test_ported(port, model, source, target):
    result = port(model, source, target)
    moved = 8 if "tf" in (source, target) else COUNTS[model][1]
    assert (result.verdict, len(result.plan.moves)) == ("equivalent", moved)
    assert result.proof.float64.max_rel <= 1e-12
    differ = ((model, source) in PROBABILITIES) != ((model, target) in PROBABILITIES)
    assert len(result.notes) == differ


def test_a_dense_layer_is_a_convolution_as_large_as_its_input(port, tmp_path):
    drawn = port("lenet5", "torch", "torch", out=tmp_path / "dense.npz", verify=False).out
    ported = port("lenet5", "torch", "torch/fullconv", weights=drawn, out=tmp_path / "convolution.npz").out
    dense, convolution = np.load(drawn)["fc1.weight"], np.load(ported)["conv3.weight"]
    assert np.array_equal(convolution, dense.reshape(120, 16, 5, 5))


def test_shapes_of_the_variables(build):
    shapes = {name: spec.shape for name, spec in build("lenet5", "tf").specs.items()}
    assert shapes == {
        "conv_W1": (5, 5, 1, 6), "conv_W2": (5, 5, 6, 16), "fc_W1": (400, 120), "fc_b1": (120,),
        "fc_W2": (120, 84), "fc_b2": (84,), "out_W": (84, 10), "out_b": (10,),
    }  # fmt: skip


@pytest.fixture
def biased(port, tmp_path):
    """Weights of the torch column whose second convolution has a bias that is not zero."""
    tensors = dict(np.load(port("lenet5", "torch", "torch", out=tmp_path / "drawn.npz", verify=False).out))
    tensors["conv2.bias"] = tensors["conv2.bias"] + np.float32(0.5)
    np.savez(tmp_path / "biased.npz", **tensors)
    return tmp_path / "biased.npz"


def test_a_bias_that_tf_has_no_place_for_is_refused_by_name(port, biased, tmp_path):
    out = tmp_path / "out.index"
    with pytest.raises(PlanError) as caught:
        port("lenet5", "torch", "tf", weights=biased, out=out)
    (problem,) = caught.value.problems
    assert problem.tensor == "conv2.bias"
    assert not list(tmp_path.glob("out*"))


def test_out_of_tf_the_biases_are_zeros(port, tmp_path):
    ported = port("lenet5", "tf", "torch", out=tmp_path / "out.npz")
    assert [step.target.name for step in ported.plan.filled] == ["conv1.bias", "conv2.bias"]
    tensors = np.load(ported.out)
    assert all((tensors[name] == 0).all() for name in ("conv1.bias", "conv2.bias"))
    assert all((tensors[name] != 0).any() for name in tensors if name not in ("conv1.bias", "conv2.bias"))


def test_tf_s_own_checkpoint_there_and_back(port, digests, tmp_path):
    first = port("lenet5", "tf", "tf", out=tmp_path / "first.index").out
    second = port("lenet5", "tf", "keras", weights=first, out=tmp_path / "second.weights.h5").out
    third = port("lenet5", "keras", "tf", weights=second, out=tmp_path / "third.index").out
    assert digests(third) == digests(first)
    assert len(digests(first)) == 8


@pytest.fixture
def changed(tmp_path):
    """The table of lenet5 with lines exchanged, as a table of one's own."""

    def write(*changes):
        text = load_table("lenet5").file.read_text()
        for before, after in changes:
            assert text.count(before) == 1
            text = text.replace(before, after)
        path = tmp_path / "changed.toml"
        path.write_text(text)
        return path

    return write


SAID = 'torch:lenet5", output = "probabilities"'
UNSAID = 'torch:lenet5"'
TOO_MUCH = ('paddle:lenet5"', 'paddle:lenet5", output = "probabilities"')


def test_a_softmax_that_is_declared_is_no_difference(port, changed):
    result = port(changed(), "paddle", "torch")
    assert result.verdict == "equivalent"
    assert result.to_json()["notes"] == [
        "torch returns probabilities and paddle logits: the outputs of paddle were compared behind a softmax in float64"
    ]


@pytest.mark.parametrize(
    ("mistake", "source", "target"),
    [
        pytest.param((SAID, UNSAID), "paddle", "torch", id="a softmax not declared"),
        pytest.param((SAID, UNSAID), "torch", "torch/sequential", id="a softmax not declared, against one that is"),
        pytest.param(TOO_MUCH, "paddle", "torch", id="logits declared as probabilities"),
        pytest.param(TOO_MUCH, "torch/fullconv", "paddle", id="logits declared as probabilities, against logits"),
    ],
)
def test_a_wrong_declaration_is_different(port, changed, mistake, source, target):
    result = port(changed(mistake), source, target)
    assert result.verdict == "different"
    assert result.out is None
    assert result.proof.divergence.layer == "output"


def test_the_flatten_order_matters(port, changed):
    """Keras flattens H, W, C: as an ordinary dense layer, the one behind the flatten would read its inputs permuted."""
    row = 'kind   = "linear_after_flatten"\nsizes  = { c = 16, h = 5, w = 5, out = 120 }'
    path = changed((row, 'kind   = "linear"'))
    assert port(path, "paddle", "torch").verdict == "equivalent"
    result = port(path, "paddle", "keras")
    assert result.verdict == "different"
    assert result.proof.divergence.target_name == "dense"


@pytest.mark.slow
def test_examples_of_the_variants_run():
    code = "import doctest; from xframe.zoo.lenet.variants import torch as m; print(*doctest.testmod(m))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "0 2\n"
