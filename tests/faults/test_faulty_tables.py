"""Wrong tables: what each refusal names, and the ways there and back. What else they do is in matrix.py."""

import pytest
import spoilt
from planted import PAIRS, Sheet, native, tensor, weight

from xframe.errors import PlanError, TableError
from xframe.mapping import find_table


@pytest.mark.parametrize(("layer", "axes"), [("square", "i o"), ("conv2", "o i h w")])
def test_right_axes(plant, layer, axes):
    """What matrix.py gives wrongly is right when it is given rightly."""
    sheet = Sheet("torch", "keras")
    spoilt.give_axes(axes, axes, layer)(sheet)
    assert plant(sheet).verdict == "equivalent"


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
