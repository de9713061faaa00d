"""Implementations in Python files beside their table: each folder its own, and one clear error for what is wrong."""

import json

import pytest

from xframe.errors import ModelError, TableError
from xframe.mapping import load_table
from xframe.proving.sides import Side
from xframe.workflows.check import check

NET = """\
import torch
from torch import nn
from layers import WIDTH, bias


class Net(nn.Module):
    def __init__(self, width=3, scale=1.0):
        super().__init__()
        self.fc = nn.Linear(4, WIDTH + width, bias=bias())
        self.scale = scale

    def forward(self, x):
        from late import factor
        return self.fc(x.flatten(1)) * self.scale * factor()


class Wide(Net):
    def __init__(self, *, width):
        super().__init__(width)


def nothing():
    return None


def number():
    return 3


def broken():
    raise ZeroDivisionError("the factory's own fault")


def kind():
    return Net


table = {"a": 1}
"""
PADDLE = """\
import paddle
from paddle import nn


class Net(nn.Layer):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(paddle.flatten(x, 1))
"""


def write_net(folder, factor=1):
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "net.py").write_text(NET)
    (folder / "layers.py").write_text("WIDTH = 0\n\n\ndef bias():\n    return True\n")
    (folder / "late.py").write_text(f"def factor():\n    return {factor}\n")


@pytest.fixture
def net(tmp_path):
    write_net(tmp_path)
    return tmp_path


def built(pool, table_path, column="torch", handle="file"):
    table = load_table(str(table_path))
    side = Side(pool, table, table.implementation(column), f"{handle} {table_path}", "float32")
    assert side.specs
    return side


def test_paddle_and_torch_are_ported_from_two_files(net, table, port, cli):
    (net / "p.py").write_text(PADDLE)
    path = table({"paddle": '{ build = "./p.py:Net" }', "torch": '{ build = "net.py:Net" }'}, folder="sub")
    for name in ("net.py", "layers.py", "late.py", "p.py"):
        (net / name).rename(net / "sub" / name)
    assert port(path, "paddle", "torch").verdict == "equivalent"
    for command in (["check", str(path)], ["show", str(path), "paddle", "torch"], ["summary", str(path)]):
        done = cli(*command)
        assert done.returncode == 0, done.stderr
    done = cli("diff", str(path), "paddle", "torch", "--json")
    assert json.loads(done.stdout)["verdict"] == "equivalent", done.stderr


def test_arguments_reach_the_factory_of_a_file(net, table, pool):
    path = table({"torch": '{ build = "./net.py:Net", with = { width = 5 } }'})
    assert built(pool, path).specs["fc.weight"].shape == (5, 4)


def test_folders_with_files_of_one_name_do_not_get_each_others(tmp_path, table, pool):
    import numpy as np

    probe = np.ones((2, 4, 1, 1), np.float32)
    paths = []
    for folder, width, factor in (("a", 1, 2.0), ("b", 2, 3.0)):
        write_net(tmp_path / folder, factor)
        (tmp_path / folder / "layers.py").write_text(f"WIDTH = {width}\n\n\ndef bias():\n    return False\n")
        paths.append(table({"torch": '{ build = "./net.py:Net", with = { width = 0 } }'}, folder=folder))
    sides = [built(pool, path) for path in paths]
    assert [side.specs["fc.weight"].shape[0] for side in sides] == [1, 2]
    for side in sides:
        side.load(pool.put("ones", [("fc.weight", np.ones(side.specs["fc.weight"].shape, np.float32), "float32")]))
    # what a forward pass imports late is its own folder's too, whichever was built last
    for _ in range(2):
        assert [float(side.run(probe, "float64")().arrays[0][0, 0]) for side in sides] == [8.0, 12.0]


def test_a_file_of_the_working_folders_name_is_not_taken_for_it(tmp_path, table, cli):
    """``layers.py`` stands in the working folder too."""
    write_net(tmp_path / "a")
    (tmp_path / "layers.py").write_text("raise RuntimeError('the other folder')\n")
    done = cli("check", str(table({"torch": '{ build = "./net.py:Net" }'}, folder="a")))
    assert done.returncode == 0, done.stderr + done.stdout


def test_installed_packages_come_before_the_files_folder(tmp_path, table, cli):
    write_net(tmp_path)
    (tmp_path / "rich.py").write_text("raise RuntimeError('not the installed one')\n")
    (tmp_path / "layers.py").write_text("import rich\nWIDTH = 0\n\n\ndef bias():\n    return True\n")
    (tmp_path / "elsewhere").mkdir()
    path = table({"torch": '{ build = "../net.py:Net" }'}, folder="elsewhere")
    done = cli("check", str(path))
    assert done.returncode == 0, done.stderr + done.stdout


REFUSED = {
    "no file": ("./nett.py:Net", "there is no file"),
    "typo": ("./net.py:Nett", "expected a factory 'Nett' in net.py; found no 'Nett' there. Did you mean 'Net'?"),
    "absent": ("./net.py:Zoo.net", "found no 'Zoo' there."),
    "raises": ("./net.py:broken", "ZeroDivisionError: the factory's own fault"),
    "lacks an argument": ("./net.py:Wide", "missing a required argument: 'width'. It takes (*, width)"),
    "gives nothing": ("./net.py:nothing", "was expected to give a torch model, a Module; found a NoneType, None"),
    "gives a number": ("./net.py:number", "was expected to give a torch model, a Module; found a int, 3"),
    "gives a class": ("./net.py:kind", "found the class Net, not called"),
    "is no factory": ("./net.py:table", "was expected to be a class or function that gives a model; found a dict"),
    "no module": ("netz.sub:Net", "there is no module 'netz' for netz.sub:Net"),
    "lacks a name": (
        "torch.nn:Linea",
        "expected a factory 'Linea' in torch.nn; found no 'Linea' there. Did you mean 'Linear'?",
    ),
    "file that raises": ("./raises.py:Net", "KeyError: 'in the file'"),
    "lacks an import": ("./imports.py:Net", "No module named 'nowhere'"),
    "of another framework": ("./p.py:Net", ".Net. Try: in a column of paddle"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_model_comes_of_is_one_error(case, net, table, pool):
    build, expected = REFUSED[case]
    (net / "raises.py").write_text("raise KeyError('in the file')\n")
    (net / "imports.py").write_text("import nowhere\n")
    (net / "p.py").write_text("class Layer:\n    __module__ = 'paddle.nn'\n\n\nclass Net(Layer):\n    pass\n")
    path = table({"torch": f'{{ build = "{build}" }}'})
    with pytest.raises(ModelError) as caught:
        built(pool, path)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not str(caught.value).endswith("..")
    assert expected in str(check(str(path), pool=pool).problems[0])


def test_an_argument_that_no_factory_takes_is_named(net, table, pool):
    path = table({"torch": '{ build = "./net.py:Net", with = { depth = 2 } }'})
    with pytest.raises(ModelError, match="depth=2: got an unexpected keyword argument 'depth'"):
        built(pool, path)


def test_the_command_line_says_it_in_one_paragraph(net, table, cli):
    done = cli(
        "port",
        str(table({"torch": '{ build = "./net.py:Nett" }', "torch/b": '{ build = "./net.py:Net" }'})),
        "torch",
        "torch/b",
    )
    assert done.returncode == 2
    assert "Did you mean 'Net'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(net.glob("*.pth"))


WRONG = {
    "weights": ('"./net.pth"', "torch", "holds weights and no model: build it from code, and pass them by --weights"),
    "paddle's weights": ('"./net.pdparams"', "paddle", "holds weights and no model"),
    "keras's weights": ('"./net.weights.h5"', "keras", "holds weights and no model"),
    "no factory": ('"./net.py"', "torch", "expected the factory's name behind the file, as in ./net.py:Net"),
    "a graph": ('"./net.onnx"', "torch", "is a graph, which `xframe diff` takes"),
    "another's": ('"./net.keras"', "torch", "is a saved model of keras; expected .pt in a column of torch"),
    "a folder": ('"./saved/"', "keras", "is a saved model of tf; expected .keras in a column of keras"),
    "with": ('"./net.pt", with = { width = 3 }', "torch", "a saved model takes no arguments (leave it out)"),
    "options": ('"./net.pt", options = ["classes"]', "torch", "a saved model takes no arguments (leave it out)"),
    "no sort": ('"nets"', "torch", "expected module:factory, a file of code ./net.py:factory, or a saved model's path"),
    "empty": ('""', "torch", "expected module:factory"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_text_that_is_no_build_is_a_problem_of_the_table(case, table):
    said, column, expected = WRONG[case]
    path = table({column: f"{{ build = {said} }}"}, more="options = { classes = 3 }")
    with pytest.raises(TableError) as caught:
        load_table(str(path))
    assert expected in str(caught.value)
    assert f"net.toml:5 implementations.{column}." in str(caught.value)
