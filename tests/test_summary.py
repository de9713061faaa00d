"""`xframe summary`: shapes, parameters and multiply-adds, counted alike for every framework."""

import json

import pytest

from xframe.mapping.costs import Call, multiply_adds
from xframe.workflows.summary import summary

LENET = {  # paddle's own count, layer by layer
    "conv1": 122_304, "conv3": 241_600, "pool4": 400, "conv5": 48_120, "linear6": 10_080, "linear7": 840,
}  # fmt: skip


def test_lenet_costs_what_paddle_says_in_every_framework(pool):
    found = summary("lenet5_maxavg", pool=pool)
    for name, total in found.totals.items():
        assert {row.cells[name].name: row.cells[name].multiply_adds for row in found.rows} == LENET
        assert (total.parameters, total.statistics, total.tensors, total.multiply_adds) == (61_706, 0, 10, 423_344)
    assert list(found.totals) == ["paddle", "paddle/custom", "torch", "keras"]
    shapes = {row.cells["keras"].outputs for row in found.rows}
    assert shapes >= {((6, 28, 28),), ((16, 5, 5),), ((10,),)}


def test_layers_come_in_the_order_in_which_they_run(pool):
    found = summary("lenet5_maxavg", ["torch", "keras"], pool=pool)
    assert [row.cells["torch"].name for row in found.rows] == list(LENET)
    turns = [row.turn() for row in found.rows]
    assert turns == sorted(turns)


SMALL = {"in_channels": 1, "num_classes": 10}


# At twice the size four times as much, but for the linear layer (5,120) and the pool (512 means of 1 pixel, then of 4).
AT_64 = 4 * (35_529_728 - 5_120 - 512 * 2) + 5_120 + 512 * 5


@pytest.mark.parametrize(("size", "expected"), [(32, 35_529_728), (64, AT_64)])
def test_resnet18_costs_what_paddle_says_at_two_sizes(pool, size, expected):
    found = summary("resnet18", ["paddle/custom"], options=SMALL | {"size": size}, pool=pool)
    total = found.totals["paddle/custom"]
    assert (total.parameters, total.statistics, total.multiply_adds) == (11_175_434, 9_600, expected)


def test_what_is_never_run_comes_last(pool):
    options = SMALL | {"size": 32, "use_residual": False}
    found = summary("resnet18", ["torch", "paddle/custom"], options=options, pool=pool)
    last = [row.cells["torch"] for row in found.rows[-6:]]
    assert all("downsample" in cell.name and cell.outputs is None for cell in last)
    assert found.totals["torch"].multiply_adds < 35_529_728


def test_a_column_without_layers_counts_its_variables(pool):
    found = summary("lenet5", ["torch/fullconv", "tf"], pool=pool)
    assert found.totals["tf"].parameters == 61_684
    assert found.totals["tf"].multiply_adds is None
    rows = {row.cells["torch/fullconv"].name: row for row in found.rows}
    first, dense = rows["conv1"], rows["conv3"]
    assert first.cells["tf"].outputs is None
    assert not first.alike  # one has a bias
    assert dense.alike  # a map of one pixel is a vector
    assert dense.cells["torch/fullconv"].outputs == ((120, 1, 1),)


def test_the_command(cli):
    done = cli("summary", "lenet5_maxavg", "torch", "paddle")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["conv2d", "conv3", "conv3", "16×10×10", "2,416", "241,600"] in lines
    assert ["torch", "61,706", "0", "10", "423,344"] in lines
    found = json.loads(cli("summary", "lenet5_maxavg", "torch", "--json").stdout)
    assert found["totals"]["torch"]["multiply_adds"] == 423_344
    assert found["layers"][0]["torch"] == {
        "name": "conv1", "outputs": [[6, 28, 28]], "parameters": 156, "multiply_adds": 122_304,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("lenet5", "jax"), "lenet5 has no implementation 'jax'"),
        (("lenet5", "torch", "torch"), "Each implementation once"),
        (("lenet6",), "Unknown model 'lenet6'"),
        (("lenet5", "--set", "width=3"), "lenet5 has no option 'width'"),
    ],
)
def test_a_mistake_is_one_paragraph(cli, arguments, expected):
    done = cli("summary", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert expected in done.stderr


@pytest.mark.parametrize(
    ("kind", "read", "gave", "kernel", "expected"),
    [
        ("conv2d", (3, 8, 8), (4, 6, 6), 4 * 3 * 9, 36 * 108 + 144),
        ("batch_norm", (4, 6, 6), (4, 6, 6), 4, 288),
        ("linear", (10,), (5,), 50, 50),
        ("adaptive_avg_pool", (8, 7, 7), (8, 1, 1), 0, 8 * 50),
        ("adaptive_avg_pool", (8, 7, 7), (8,), 0, 8 * 50),
        ("adaptive_avg_pool", (8, 14, 14), (8, 7, 7), 0, 8 * 49 * 5),
        ("avg_pool", (8, 4, 4), (8, 2, 2), 0, 32),
        ("subsampling", (8, 4, 4), (8, 2, 2), 8, 96),
        ("something_else", (8,), (8,), 8, None),
    ],
)
def test_costs(kind, read, gave, kernel, expected):
    assert multiply_adds(kind, Call(kernel=kernel, bias=kind == "conv2d", read=read, gave=gave)) == expected
