"""Tables: what is right expands, what is wrong is all reported at once, each problem with its place."""

import os
from pathlib import Path

import pytest

from xframe.errors import TableError, UsageError
from xframe.mapping import load_kinds, load_table, table_names, tables_folder

RIGHT = """\
summary = "a small one"
input = [1, 8, 8]

[options]
classes = 10

[sizes]
width = { stage = { 1 = 4, 2 = 8 } }
before = { stage = { 1 = 1, 2 = 4 } }

[implementations]
paddle = { build = "nets:paddle_net", options = ["classes"] }
torch = { build = "nets:torch_net" }

[[layers]]
kind = "conv2d"
for = { stage = "1..2" }
sizes = { out = "width", in = "before", kh = 3, kw = 3 }
paddle = "stage{stage}.conv"
torch = "stage{stage}.conv"

[[layers]]
kind = "linear"
sizes = { in = 8, out = "classes" }
paddle = "fc"
torch = "head"
"""


@pytest.fixture
def table_file(tmp_path):
    def write(*changes):
        text = RIGHT
        for before, after in changes:
            assert before in text
            text = text.replace(before, after, 1)
        path = tmp_path / "small.toml"
        path.write_text(text)
        return str(path)

    return write


def problems(path):
    with pytest.raises(TableError) as caught:
        load_table(path)
    return [str(problem) for problem in caught.value.problems]


def test_patterns_and_sizes_expand(table_file):
    table = load_table(table_file())
    assert [layer.names["torch"] for layer in table.layers] == ["stage1.conv", "stage2.conv", "head"]
    names = {entry.names["torch"].name: entry.shape("torch") for entry in table.entries}
    assert names["stage2.conv.weight"] == (8, 4, 3, 3)
    assert names["head.weight"] == (10, 8)
    assert {entry.names["paddle"].name: entry.shape("paddle") for entry in table.entries}["fc.weight"] == (8, 10)


def test_options_reach_sizes_and_factories(table_file):
    table = load_table(table_file(), {"classes": 3})
    assert table.entries[-1].shape("torch") == (3,)
    assert table.build_options(table.implementation("paddle")) == {"classes": 3}
    with pytest.raises(UsageError, match="'torch' cannot be built with another classes"):
        table.build_options(table.implementation("torch"))


def test_unknown_options_and_other_types_are_refused(table_file):
    with pytest.raises(UsageError, match="no option 'width'. It has: classes"):
        load_table(table_file(), {"width": 3})
    with pytest.raises(UsageError, match="like 10"):
        load_table(table_file(), {"classes": "ten"})


MISTAKES = {
    "unknown kind": (('kind = "linear"', 'kind = "linaer"'), "small.toml:23 layers[1].kind: unknown kind 'linaer'"),
    "name used twice": (
        ('torch = "head"', 'torch = "stage1.conv"'),
        "'stage1.conv.weight' is used twice in the column 'torch', first at small.toml:15 layers[0]",
    ),
    "pattern that does not expand": (
        ('torch = "stage{stage}.conv"', 'torch = "stage{stagee}.conv{stage}"'),
        "small.toml:20 layers[0].torch: the pattern 'stage{stagee}.conv{stage}' does not expand: no variable 'stagee'",
    ),
    "not a bijection": (
        ('torch = "stage{stage}.conv"', 'torch = "stage.conv"'),
        "small.toml:20 layers[0].torch: the pattern 'stage.conv' leaves out 'stage', so several layers share one name",
    ),
    "no name in a column": (('torch = "head"\n', ""), "small.toml:22 layers[1]: the key 'torch' is missing"),
    "unknown axis": (
        ("sizes = { in = 8,", "sizes = { inn = 8,"),
        "small.toml:24 layers[1].sizes: the kind 'linear' has no axis 'inn'",
    ),
    "unknown size": (
        ('out = "classes"', 'out = "klasses"'),
        "small.toml:24 layers[1].sizes: no size for axis 'out'",
    ),
    "unknown key": (('kind = "linear"', 'kind = "linear"\nnote = "x"'), "small.toml:24 layers[1].note: unknown key"),
    "bad factory": (('"nets:torch_net"', '"nets.torch_net"'), "implementations.torch.build: expected module:factory"),
    "unknown framework": (
        ("[[layers]]", 'jax = { build = "nets:jax" }\n\n[[layers]]'),
        "implementations.jax: unknown framework 'jax'",
    ),
    "undeclared option": (('options = ["classes"]', 'options = ["depth"]'), "declares no option 'depth'"),
    "bad range": (('stage = "1..2" }', 'stage = "2..1" }'), "expected a range like"),
    "no such role": (('kind = "linear"', 'kind = "linear"\nwithout = ["scale"]'), "no tensor 'scale'"),
    "bad input": (("input = [1, 8, 8]", 'input = ["channels", 8, 8]'), "small.toml:2 input: expected lengths"),
    "only for nobody": (
        ('kind = "linear"', 'kind = "linear"\nonly = { bias = { in = ["keras"], value = 0, because = "x" } }'),
        "unknown implementation 'keras'",
    ),
    "fold into nothing": (
        (
            'kind = "linear"',
            'kind = "linear"\nonly = { bias = { in = ["paddle"], value = 0, because = "x", fold_into = "bn" } }',
        ),
        "fold_into = 'bn' names no batch norm",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_with_its_place(mistake, table_file):
    change, expected = MISTAKES[mistake]
    assert any(expected in problem for problem in problems(table_file(change))), problems(table_file(change))


def test_five_mistakes_are_five_problems(table_file):
    five = ("unknown kind", "pattern that does not expand", "bad factory", "unknown size", "bad input")
    changes = [MISTAKES[name][0] for name in five]
    found = problems(table_file(*changes))
    assert len(found) == 5, found


def test_a_tensor_that_only_some_have_needs_a_fill(table_file):
    own = '[kinds.odd]\nsummary = "x"\n[kinds.odd.weight]\npaddle = { weight = "c" }\n\n[[layers]]\nkind = "odd"\n'
    row = 'paddle = "odd"\ntorch = "odd"\n'
    found = problems(table_file(('[[layers]]\nkind = "conv2d"', f'{own}{row}\n[[layers]]\nkind = "conv2d"')))
    assert any("no counterpart in torch, and no fill is declared" in problem for problem in found)


def test_toml_that_does_not_parse_is_one_problem_with_its_line(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("summary = \n")
    assert "line 1" in problems(str(path))[0]


def test_kinds_dialects_must_name_the_same_axes(table_file):
    own = '[kinds.odd]\nsummary = "x"\n[kinds.odd.weight]\npaddle = { weight = "a b" }\ntorch = { weight = "a c" }\n\n'
    found = problems(table_file(('[[layers]]\nkind = "conv2d"', f'{own}[[layers]]\nkind = "conv2d"')))
    assert any("do not name the same axes" in problem for problem in found)


def test_an_unknown_model_is_told_the_nearest_name():
    with pytest.raises(UsageError, match=r"Did you mean resnet18"):
        load_table("resnet8")
    with pytest.raises(UsageError, match="no table at ./mine.toml"):
        load_table("./mine.toml")


@pytest.mark.parametrize("name", table_names())
def test_every_pair_of_columns_of_every_table_is_a_bijection(name):
    table = load_table(name)
    for implementation in table.implementations:
        names = [entry.names[implementation].name for entry in table.entries if implementation in entry.names]
        assert len(set(names)) == len(names)
    for entry in table.entries:
        assert len({frozenset(tensor.pattern.axes) for tensor in entry.names.values()}) == 1


def test_kinds_are_documented():
    assert all(kind.summary for kind in load_kinds().kinds.values())
    assert tables_folder().samefile(Path(__file__).parents[2] / "mappings")


def test_kinds_are_read_once_and_anew_when_they_change(tmp_path, monkeypatch):
    monkeypatch.setattr("xframe.mapping.load.tables_folder", lambda: tmp_path)
    path, text = tmp_path / "kinds.toml", (tables_folder() / "kinds.toml").read_text()
    path.write_text(text)
    first = load_kinds()
    assert load_kinds() is first
    summary = first.kinds["linear"].summary
    path.write_text(text.replace(summary, "another summary"))
    os.utime(path, ns=(0, 0))
    assert load_kinds().kinds["linear"].summary == "another summary"
    path.unlink()
    with pytest.raises(TableError, match="cannot be read"):
        load_kinds()
