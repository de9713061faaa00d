"""Wrong tables: what cannot fit is refused before a tensor moves, what fits is caught by what it computes."""

import pytest
from planted import PAIRS, Sheet, assert_different_at

from xframe.errors import PlanError, TableError
from xframe.mapping import find_table

NORM = {
    "paddle": ("weight", "bias", "_mean", "_variance"),
    "keras": ("gamma", "beta", "moving_mean", "moving_variance"),
}
NORM["torch"] = ("weight", "bias", "running_mean", "running_var")
SCALE, SHIFT, MEAN, VARIANCE = range(4)


def weight(framework):
    return "kernel" if framework == "keras" else "weight"


def tensor(framework, layer, name):
    return f"{layer}/{name}" if framework == "keras" else f"{layer}.{name}"


# ── same shapes, wrong tensors ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("swapped", [(SCALE, SHIFT), (MEAN, VARIANCE), (SHIFT, MEAN)])
def test_vectors_of_a_batch_norm_swapped(plant, source, target, swapped):
    sheet, order = Sheet(source, target), [SCALE, SHIFT, MEAN, VARIANCE]
    order[swapped[0]], order[swapped[1]] = swapped[::-1]
    vectors = {}
    for role, other in enumerate(order):
        forms = {source: {NORM[source][role]: "c"}, target: {NORM[target][other]: "c"}}
        vectors[f"vector{role}"] = {"draw": "variance", **forms}
    sheet.spoil("bn2", "batch_norm_swapped", **vectors, steps=counter(source, target))
    assert_different_at("bn2", plant(sheet))


def counter(source, target):
    """torch's num_batches_tracked, as kinds.toml has it; the other frameworks lack it."""
    fill = {"value": 0, "discard": True, "because": "a counter"}
    forms = {"torch": {"num_batches_tracked": ""}} if "torch" in (source, target) else {"none": {"none": ""}}
    return {"dtype": "int64", "fill": fill, **forms}


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("layers", [("conv2", "conv3"), ("bn1", "bn2")])
def test_layers_swapped(plant, source, target, layers):
    sheet = Sheet(source, target)
    sheet.name(layers[0], layers[1])
    sheet.name(layers[1], layers[0])
    assert_different_at(layers, plant(sheet))


WRONG_AXES = {
    "square linear not transposed": ("square", "i o", "o i"),
    "kernel with in and out swapped": ("conv2", "o i h w", "i o h w"),
    "kernel with height and width swapped": ("conv2", "o i h w", "o i w h"),
}


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize(("layer", "right", "wrong"), WRONG_AXES.values(), ids=WRONG_AXES)
def test_wrong_axes_of_equal_lengths(plant, source, target, layer, right, wrong):
    """The tensor fits either way, so only what it computes gives it away."""
    assert_different_at(layer, plant(with_axes(source, target, layer, right, wrong)))


@pytest.mark.parametrize(("layer", "right", "wrong"), WRONG_AXES.values(), ids=WRONG_AXES)
def test_right_axes(plant, layer, right, wrong):
    assert plant(with_axes("torch", "keras", layer, right, right)).verdict == "equivalent"


def with_axes(source, target, layer, source_axes, target_axes):
    sheet = Sheet(source, target)
    axes = {source: native(source, source_axes), target: native(target, target_axes)}
    kernel = {framework: {weight(framework): text} for framework, text in axes.items()}
    bias = {framework: {"bias": "c"} for framework in axes}
    sheet.spoil(layer, "own", weight={"draw": "kernel", **kernel}, bias=bias)
    return sheet


def native(framework, axes):
    """Axes written as torch has them for a kernel, and as paddle has them for a matrix, in a framework's own order."""
    names = axes.split()
    if len(names) == 2:
        return " ".join(names[::-1] if framework == "torch" else names)
    return " ".join((*names[2:], names[1], names[0])) if framework == "keras" else axes


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_flatten_order(plant, source, target):
    """Keras flattens H, W, C, the others C, H, W: a plain linear behind the flatten is right between those only."""
    sheet = Sheet(source, target)
    sheet.rows["dense1"] = {"kind": "linear"}
    result = plant(sheet)
    if "keras" in (source, target):
        assert_different_at("dense1", result)
    else:
        assert result.verdict == "equivalent"


# ── names and shapes that do not fit ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_layer_left_out(plant, tmp_path, source, target):
    sheet = Sheet(source, target)
    del sheet.rows["square"]
    with pytest.raises(PlanError) as caught:
        plant(sheet)
    assert {(problem.kind, problem.tensor) for problem in caught.value.problems} == {
        *(("missing", tensor(target, "square", name)) for name in (weight(target), "bias")),
        *(("unused", tensor(source, "square", name)) for name in (weight(source), "bias")),
    }
    assert [file.name for file in tmp_path.iterdir()] == ["small.toml"]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_fill_that_no_one_declared(plant, source, target):
    """The target's bias exists in no tensor of the source: the table cannot say so without saying what fills it."""
    sheet = Sheet(source, target)
    kernel = {source: {weight(source): native(source, "o i h w")}, target: {weight(target): native(target, "o i h w")}}
    sheet.spoil("conv2", "own", weight={"draw": "kernel", **kernel}, bias={target: {"bias": "c"}})
    with pytest.raises(TableError, match=rf"'bias' has no counterpart in {source}, and no fill is declared"):
        plant(sheet)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_bias_that_the_table_denies(plant, source, target):
    sheet = Sheet(source, target, {"bias": False}, "source")
    sheet.rows["conv1"]["without"] = ["bias"]
    with pytest.raises(PlanError) as caught:
        plant(sheet)
    (problem,) = caught.value.problems
    assert (problem.kind, problem.tensor) == ("missing", tensor(target, "conv1", "bias"))


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_one_name_for_two_layers(plant, source, target):
    """Not a bijection: the second layer would overwrite the first, and there would be no way back."""
    sheet = Sheet(source, target)
    sheet.name("conv3", "conv2")
    with pytest.raises(TableError, match=rf"'{tensor(target, 'conv2', weight(target))}' is used twice in the column"):
        plant(sheet)


@pytest.mark.parametrize(("source", "target"), [("paddle", "paddle/custom"), ("paddle/custom", "paddle")])
def test_bias_of_two_dimensions_without_its_dialect(port, tmp_path, source, target):
    """(6, 1) holds as many values as (6); that is no reason to reshape."""
    table = tmp_path / "lenet5_flat.toml"
    text = find_table("lenet5_maxavg").read_text()
    table.write_text(text.replace(', dialect = "paddle/operators"', ""))
    assert table.read_text() != text
    with pytest.raises(PlanError) as caught:
        port(table, source, target)
    shaped = {(problem.kind, problem.tensor) for problem in caught.value.problems}
    assert shaped == {("shape", f"{layer}.bias") for layer in ("conv1", "conv3", "conv5")}


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_there_and_back_through_one_table(port, digests, tmp_path, source, target):
    table = Sheet(source, target).write(tmp_path / "small.toml")
    first = port(table, source, source, out=tmp_path / "first.npz", verify=False).out
    second = port(table, source, target, weights=first, out=tmp_path / "second.safetensors").out
    third = port(table, target, source, weights=second, out=tmp_path / "third.npz").out
    assert digests(third) == digests(first)
