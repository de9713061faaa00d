"""Kinds whose tensors are split, joined or listed twice: what a dialect's line may say."""

import pytest

from xframe.errors import TableError
from xframe.mapping import load_kinds, load_table

TABLE = """\
summary = "one layer"
input = [4]

[implementations]
paddle = { build = "nets:net" }
torch = { build = "nets:net" }

[[layers]]
kind = "own"
paddle = "one"
torch = "one"

[kinds.own]
summary = "fused in torch"

  [kinds.own.weight]
  paddle = { "{part}_proj.weight, again.{part}" = "in out" }
  torch = { in_proj = "(part[q k] out) in" }

  [kinds.own.bias]
  paddle = { bias = "c" }
  torch = { bias = "c" }
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


def test_every_block_and_every_name_is_an_entry(table):
    found = [
        (entry.tensor.role, entry.names["paddle"].name, entry.names["paddle"].same_as, dict(entry.names["torch"].part))
        for entry in table().entries
    ]
    assert found == [
        ("weight q", "one.q_proj.weight", None, {"part": "q"}),
        ("weight q as again.q", "one.again.q", "one.q_proj.weight", {"part": "q"}),
        ("weight k", "one.k_proj.weight", None, {"part": "k"}),
        ("weight k as again.k", "one.again.k", "one.k_proj.weight", {"part": "k"}),
        ("bias", "one.bias", None, {}),
    ]


def test_another_name_that_no_column_has_is_no_entry(table):
    loaded = table(('paddle = { build = "nets:net" }\n', ""), ('paddle = "one"\n', ""))
    assert [entry.tensor.role for entry in loaded.entries] == ["weight q", "weight k", "bias"]


def test_rows_speak_of_the_tensor_that_kinds_toml_names(table):
    without = table(('kind = "own"', 'kind = "own"\nwithout = ["weight"]'))
    assert [entry.tensor.role for entry in without.entries] == ["bias"]
    with pytest.raises(TableError, match=r"no tensor 'weight q' \(it has: weight, bias\)"):
        table(('kind = "own"', 'kind = "own"\nwithout = ["weight q"]'))
    with pytest.raises(TableError, match=r"no axis 'part' \(it has: c, in, out\)"):
        table(('kind = "own"', 'kind = "own"\nsizes = { part = 2 }'))


def test_a_cell_may_have_several_names(table):
    loaded = table(('torch = "one"', 'torch = "one.{tensor}_l1, one.1.{tensor}"'), ("{part}_proj.weight, ", ""))
    layer = loaded.layers[0]
    assert (layer.layer_name("paddle"), layer.layer_name("torch")) == ("one", "")
    biases = [entry.names["torch"] for entry in loaded.entries if entry.tensor.stated == "bias"]
    assert [(name.name, name.same_as) for name in biases] == [("one.bias_l1", None), ("one.1.bias", "one.bias_l1")]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("(part[q k] out)", "(part out)"), "the axis 'part' is in a name, but no dialect lists its blocks, as in"),
        (('= "in out"', '= "in (part[q k] out)"'), "kinds.own.weight.paddle: the axis 'part' is in the name, so"),
        (("again.{part}", "again"), "'part' must be in each of the tensor's names"),
        (("{part}_proj", "{part q=a}_proj"), "expected a spelling of its own for each of q k"),
        (("{part}_proj", "{part q=a k=a}_proj"), "expected a spelling of its own for each of q k"),
        (("{part}_proj", "{part q=a j=b}_proj"), "expected a spelling of its own for each of q k"),
        (("{part}_proj", "{part q}_proj"), "is no name: expected names as in"),
        (("{part}_proj", "{part_proj"), "is no name: expected names as in"),
        (("again.{part}", "{part}_proj.weight"), "is no name: expected names as in"),
        (("(part[q k] out) in", "(part[q k] out)"), "the dialects do not name the same axes"),
        (("(part[q k] out) in", "(part[q] out) in"), "'part' needs two blocks or more"),
        (('bias = "c" }\n  torch = { bias = "c" }', 'bias = "(g[a b] c)" }\n  torch = { bias = "(g[a z] c)" }'),
         "the dialects do not name the same blocks of 'g' (a b and a z)"),
        (('bias = "c" }\n  torch = { bias = "c" }', 'bias = "(g[a b] c)" }\n  torch = { bias = "(g c)" }'),
         "the dialects do not name the same blocks of 'g'"),
        (('torch = { bias = "c" }', 'torch = { in_proj = "c" }\n  fill = { value = 0, because = "" }'),
         "'one.in_proj' is both 'weight' and 'bias' in the column 'torch'"),
        (("[kinds.own.bias]", '[kinds.own.bias]\n  sums = ["in"]'), "not every dialect has an axis 'in'"),
        (("[kinds.own.bias]", '[kinds.own.bias]\n  fill = { value = 0, because = "", add_to = "bias" }'),
         "'bias' is no other tensor of the kind"),
        (("[kinds.own.bias]", '[kinds.own.bias]\n  fill = { value = 1, because = "", add_to = "weight" }'),
         "only a fill of 0 leaves the other tensor as it is"),
        (('summary = "fused in torch"', 'summary = ""\noutput = "map"'), "expected one of channels, sequence; found"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_its_place(table, change, expected):
    with pytest.raises(TableError) as caught:
        table(change)
    told = [str(problem) for problem in caught.value.problems]
    assert any(expected in problem and "one.toml:" in problem for problem in told), told


def test_a_row_may_say_that_a_tensor_is_added_to_another_of_its_layer(table):
    only = 'only = { bias = { in = ["paddle"], value = 0, because = "x", add_to = "ROLE" } }'
    loaded = table(('kind = "own"', f'kind = "own"\n{only.replace("ROLE", "weight")}'))
    assert loaded.entries[-1].fill.add_to == "weight"
    with pytest.raises(TableError, match="add_to = 'scale' names no tensor of this layer"):
        table(('kind = "own"', f'kind = "own"\n{only.replace("ROLE", "scale")}'))


@pytest.mark.parametrize("name", load_kinds().kinds)
def test_dialects_of_a_framework_stand_for_the_same_tensors(name):
    """Whatever dialects two columns have, an entry has a way from one to the other."""
    for tensor in load_kinds().kinds[name].tensors:
        patterns = [form.pattern.without(form.part) for form in tensor.forms.values()]
        assert len({frozenset(pattern.axes) for pattern in patterns}) == 1
        assert len({frozenset((a, frozenset(w)) for a, w in pattern.blocks.items()) for pattern in patterns}) == 1
