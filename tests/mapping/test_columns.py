"""What a table says of its columns: arguments that are always passed, differences, tensors named in their own way."""

import pytest

from xframe.errors import TableError, UsageError
from xframe.mapping import load_table
from xframe.planning import make_plan
from xframe.tensors import TensorSpec

TABLE = """\
summary = "one layer"
input = [1, 8, 8]
options = { classes = 10 }

[implementations]
paddle = { build = "nets:paddle_net", options = ["classes"] }
torch = { build = "nets:torch_net", options = ["classes"], with = { epsilon = 1e-3 } }
"torch/flat" = { build = "nets:torch_flat" }

[[differences]]
of = ["paddle"]
says = "paddle does it its own way"

[[layers]]
kind = "linear"
paddle = "fc"
torch = "fc"
"torch/flat" = "{tensor}_of_fc"
"""


@pytest.fixture
def table(tmp_path):
    def load(*changes):
        text = TABLE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "one.toml"
        path.write_text(text)
        return load_table(str(path))

    return load


def test_fixed_arguments_reach_the_factory_beside_the_options(table):
    loaded = table()
    assert loaded.build_options(loaded.implementation("torch")) == {"epsilon": 1e-3, "classes": 10}
    assert loaded.build_options(loaded.implementation("paddle")) == {"classes": 10}


def test_a_difference_is_said_between_one_of_them_and_one_of_the_others(table):
    loaded = table()
    said = ("paddle does it its own way",)
    assert loaded.differences_between("paddle", "torch") == loaded.differences_between("torch", "paddle") == said
    assert loaded.differences_between("torch", "torch/flat") == ()


def test_a_plan_says_the_difference(table):
    held = {"fc.weight": TensorSpec("fc.weight", (4, 2), "float32"), "fc.bias": TensorSpec("fc.bias", (2,), "float32")}
    plan = make_plan(table(), "paddle", "torch", held, lambda name: pytest.fail(f"read {name}"))
    assert plan.differences == ("paddle does it its own way",)


def test_a_cell_may_place_the_tensor_s_own_name(table):
    entries = table().entries
    assert [entry.names["torch/flat"].name for entry in entries] == ["weight_of_fc", "bias_of_fc"]
    assert [entry.names["torch"].name for entry in entries] == ["fc.weight", "fc.bias"]


SIZE = ("input = [1, 8, 8]\noptions = { classes = 10 }", 'input = [1, "size", 8]\noptions = { classes = 10, size = 8 }')


def test_a_length_that_no_factory_takes_can_be_set_for_all_columns(table):
    loaded = load_table(str(table(SIZE).file), {"size": 6})
    assert loaded.input == (1, 6, 8)
    assert [loaded.build_options(column) for column in loaded.implementations.values()] == [
        {"classes": 10},
        {"epsilon": 1e-3, "classes": 10},
        {},
    ]


def test_another_option_that_a_column_does_not_take_is_refused(table):
    loaded = load_table(str(table(SIZE).file), {"classes": 3})
    with pytest.raises(UsageError, match=r"torch/flat' cannot be built with another classes"):
        loaded.build_options(loaded.implementation("torch/flat"))


def test_a_column_may_count_from_another_number(table):
    row = 'kind = "linear"\npaddle = "fc"\ntorch = "fc"\n"torch/flat" = "{tensor}_of_fc"'
    counted = (
        'kind = "linear"\nfor = { n = "0..2" }\npaddle = "fc{n}"\ntorch = "fc.{n+1}"\n"torch/flat" = "{n-1}_{tensor}"'
    )
    names = [entry.names for entry in table((row, counted)).entries if entry.tensor.role == "weight"]
    assert [name["paddle"].name for name in names] == ["fc0.weight", "fc1.weight", "fc2.weight"]
    assert [name["torch"].name for name in names] == ["fc.1.weight", "fc.2.weight", "fc.3.weight"]
    assert [name["torch/flat"].name for name in names] == ["-1_weight", "0_weight", "1_weight"]
    with pytest.raises(TableError, match=r"'\{n\+1\}' adds to words"):
        table((row, counted.replace('"0..2"', '["a", "b"]')))


POOL = """
[[layers]]
kind = "avg_pool"
paddle = "pool"
"""


def test_a_layer_without_tensors_has_a_name_only_where_it_is_one(table):
    layer = table(("[[layers]]", POOL + "[[layers]]")).layers[0]
    assert dict(layer.names) == {"paddle": "pool", "torch": "", "torch/flat": ""}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (('with = { epsilon = 1e-3 }', 'with = { classes = 3 }'), "'classes' is an option of the table"),
        (('with = { epsilon = 1e-3 }', 'with = { epsilon = [1] }'), "expected a number, a text, true or false"),
        (('of = ["paddle"]', 'of = ["paddel"]'), "unknown implementation 'paddel' (known: paddle, torch, torch/flat)"),
        (('of = ["paddle"]', "of = []"), "not of none or all of them"),
        (('of = ["paddle"]', 'of = ["paddle", "torch", "torch/flat"]'), "not of none or all of them"),
        (('says = "paddle does it its own way"', ""), "the key 'says' is missing"),
        (("{tensor}_of_fc", "{tensors}_of_fc"), "no variable 'tensors'"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_its_place(table, change, expected):
    with pytest.raises(TableError) as caught:
        table(change)
    assert any(expected in str(problem) and "one.toml:" in str(problem) for problem in caught.value.problems)
