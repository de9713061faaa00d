"""TorchScript files as sides: layers, float64, gradients, ONNX, and no pickle that runs."""

import io
import pickle
import shutil
import zipfile

import numpy as np
import pytest

from xframe.errors import ModelError
from xframe.mapping import load_table
from xframe.proving.sides import Side
from xframe.workflows.check import check
from xframe.workflows.diff import DiffOptions, diff
from xframe.workflows.onnx import OnnxOptions
from xframe.workflows.onnx import onnx as triangle
from xframe.workflows.summary import summary

TABLE = """\
summary = "a network of blocks"
input   = [1, 8, 8]

[implementations]
torch = { build = "./nets.py:torch_net" }
"torch/script" = { build = "./script.pt" }
"torch/trace"  = { build = "./trace.pt" }
paddle = { build = "./nets.py:paddle_net" }

[[layers]]
kind = "conv2d"
sizes = { out = 4, in = 1, kh = 3, kw = 3 }
torch = "stem"
"torch/script" = "stem"
"torch/trace" = "stem"
paddle = "stem"

[[layers]]
kind = "conv2d"
for = { n = "0..1" }
sizes = { out = 4, in = 4, kh = 3, kw = 3 }
torch = "blocks.{n}.conv"
"torch/script" = "blocks.{n}.conv"
"torch/trace" = "blocks.{n}.conv"
paddle = "blocks.{n}.conv"

[[layers]]
kind = "batch_norm"
for = { n = "0..1" }
sizes = { c = 4 }
torch = "blocks.{n}.bn"
"torch/script" = "blocks.{n}.bn"
"torch/trace" = "blocks.{n}.bn"
paddle = "blocks.{n}.bn"

[[layers]]
kind = "linear"
sizes = { in = 4, out = 3 }
torch = "fc"
"torch/script" = "fc"
"torch/trace" = "fc"
paddle = "fc"
"""
WRITE = """
import sys, torch, nets
torch.manual_seed(0)
net = nets.torch_net()
torch.jit.save(torch.jit.script(net), "script.pt")
torch.jit.save(torch.jit.trace(net, torch.rand(2, 1, 8, 8)), "trace.pt")
torch.jit.save(torch.jit.freeze(torch.jit.trace(net, torch.rand(2, 1, 8, 8))), "frozen.pt")
recurrent = nets.torch_recurrent()
torch.jit.save(torch.jit.trace(recurrent, torch.rand(2, 5, 6)), "recurrent.pt")
torch.save(net.state_dict(), "weights.pt")
torch.save(torch.nn.Linear(4, 3), "pickled.pt")
torch.jit.save(torch.jit.trace(net.train(), torch.rand(2, 1, 8, 8), check_trace=False), "training.pt")
spoilt = nets.torch_net()
spoilt.blocks[1].bn.eps = 1e-3
torch.jit.save(torch.jit.script(spoilt), "spoilt.pt")
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory, written_by):
    folder = tmp_path_factory.mktemp("torchscript")
    written_by(folder, WRITE)
    (folder / "net.toml").write_text(TABLE)
    return folder


def side(pool, path, column, dtype="float32"):
    table = load_table(str(path))
    return Side(pool, table, table.implementation(column), f"{column} {path}", dtype)


@pytest.mark.parametrize("column", ["torch/script", "torch/trace"])
def test_a_script_is_a_source_and_a_target(column, written, port):
    assert port(written / "net.toml", column, "paddle").verdict == "equivalent"
    assert port(written / "net.toml", "paddle", column).verdict == "equivalent"


@pytest.mark.parametrize("column", ["torch/script", "torch/trace"])
def test_layers_and_gradients_are_held_against_each_other(column, written, pool):
    found = diff(str(written / "net.toml"), "torch", column, DiffOptions(gradients=True), pool=pool)
    assert found.verdict == "equivalent"
    said = found.to_json()
    assert {"stem", "blocks.0.conv", "blocks.1.bn", "fc"} <= {layer["target_name"] for layer in said["layers"]}


def test_a_script_computes_exactly_what_its_module_does(written, pool):
    probe = np.random.default_rng(0).standard_normal((2, 1, 8, 8)).astype(np.float32)
    sides = [side(pool, written / "net.toml", name) for name in ("torch", "torch/script", "torch/trace")]
    assert list(sides[0].specs) == list(sides[1].specs) == list(sides[2].specs)
    for dtype in ("float64", "float32", "float64"):
        first, *others = [one.run(probe, dtype)().arrays[0] for one in sides]
        assert first.dtype == dtype
        assert all(np.abs(first - other).max() <= (0 if dtype == "float64" else 1e-6) for other in others)


def test_what_tracing_wrote_down_as_float32_is_float64(written, pool, tmp_path):
    """The first state of a traced LSTM is made in float32, which torch refuses beside float64."""
    path = tmp_path / "net.toml"
    shutil.copy(written / "recurrent.pt", tmp_path)
    head = 'summary = "x"\ninput = [5, 6]\ninput_axes = "sequence"\n'
    column = '[implementations]\ntorch = { build = "./recurrent.pt" }\n'
    path.write_text(
        head + column + '[[layers]]\nkind = "lstm"\ntorch = "lstm"\n[[layers]]\nkind = "linear"\ntorch = "fc"\n'
    )
    gave = side(pool, path, "torch").run(np.ones((2, 5, 6), np.float32), "float64", ("lstm",))()
    assert gave.arrays[0].dtype == np.float64
    assert {array.dtype for _, array in gave.tapped} == {np.dtype("float64")}


def test_without_a_file_a_script_gives_its_own_weights(written, port, digests):
    """And with one, the file's: a state dict of the same names."""
    found = port(written / "net.toml", "torch/script", "torch", out=written / "own.pth")
    assert digests(found.out) == digests(written / "weights.pt")
    assert found.weights == "script.pt"
    assert port(written / "net.toml", "torch/script", "paddle", weights=written / "weights.pt").verdict == "equivalent"


def test_a_planted_fault_is_found_in_its_layer(written, pool, tmp_path):
    for name in ("nets.py", "spoilt.pt", "trace.pt"):
        shutil.copy(written / name, tmp_path)
    path = tmp_path / "net.toml"
    path.write_text(TABLE.replace("./script.pt", "./spoilt.pt"))
    found = diff(str(path), "torch", "torch/script", DiffOptions(), pool=pool)
    assert found.verdict == "different"
    assert found.to_json()["first_divergence"]["target_name"] == "blocks.1.bn"


def test_check_names_what_the_file_has(written, pool, tmp_path):
    for name in ("nets.py", "script.pt", "trace.pt"):
        shutil.copy(written / name, tmp_path)
    path = tmp_path / "net.toml"
    path.write_text(TABLE.replace('"torch/script" = "stem"', '"torch/script" = "sten"'))
    found = check(str(path), pool=pool)
    assert "did you mean 'stem.weight'?" in str(found.problems[0])
    assert not check(str(written / "net.toml"), pool=pool).problems


def test_summary_and_onnx_take_a_script(written, pool, tmp_path):
    said = summary(str(written / "net.toml"), ("torch", "torch/script"), pool=pool)
    assert all(row.alike for row in said.rows)
    found = triangle(str(written / "net.toml"), ("torch", "torch/script"), OnnxOptions(), pool=pool)
    assert not found.failed
    assert all(found.parities)


REFUSED = {
    "weights.pt": "found what torch.save writes, which holds weights and no model",
    "pickled.pt": "found what torch.save writes",
    "frozen.pt": "as torch.jit.freeze leaves a model",
    "training.pt": "was traced in training mode, and its graph stays in it (batch_norm)",
    "absent.pt": "there is no file",
    "noise.pt": "found no zip archive",
    "cut.pt": "found no zip archive",
    "hollow.pt": "torch.jit.load says",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_no_model_is_one_error(name, written, pool, table):
    (written / "noise.pt").write_bytes(b"no zip at all")
    (written / "cut.pt").write_bytes((written / "script.pt").read_bytes()[:-100])
    with zipfile.ZipFile(written / "hollow.pt", "w") as archive:
        archive.writestr("net/constants.pkl", b"")
    path = table({"torch": f'{{ build = "{written / name}" }}'})
    with pytest.raises(ModelError) as caught:
        assert side(pool, path, "torch").specs
    assert REFUSED[name] in str(caught.value)
    assert "\n" not in str(caught.value)


class _Evil:
    def __init__(self, mark):
        self._mark = mark

    def __reduce__(self):
        return (open, (str(self._mark), "w"))


@pytest.mark.parametrize("member", ["data.pkl", "constants.pkl"])
def test_no_pickle_in_a_script_is_run(member, written, pool, table, tmp_path):
    """The same bytes open a file when Python's own unpickler reads them."""
    mark, path = tmp_path / "pwned", tmp_path / "evil.pt"
    evil = io.BytesIO()
    pickle.Pickler(evil, protocol=2).dump(_Evil(mark))
    with zipfile.ZipFile(written / "script.pt") as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            inside = name.partition("/")[2]
            target.writestr(name, evil.getvalue() if inside == member else source.read(name))
    with pytest.raises(ModelError, match="torch.jit.load says"):
        assert side(pool, table({"torch": '{ build = "./evil.pt" }'}), "torch").specs
    assert not mark.exists()
    pickle.loads(evil.getvalue()).close()
    assert mark.exists()


def test_training_needs_code(written, pool):
    with pytest.raises(ModelError, match="a saved model is not trained"):
        diff(str(written / "net.toml"), "torch", "torch/script", DiffOptions(train_steps=1), pool=pool)
