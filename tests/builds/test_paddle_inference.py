"""Paddle's inference models as sides: in float64, under the names that ``xframe inspect`` shows."""

import json
import pickle
import shutil

import numpy as np
import pytest

from xframe import checkpoints
from xframe.errors import CheckpointError, ModelError
from xframe.mapping import load_table
from xframe.proving.sides import Side
from xframe.workflows.check import check
from xframe.workflows.diff import DiffOptions, diff
from xframe.workflows.onnx import OnnxOptions
from xframe.workflows.onnx import onnx as triangle
from xframe.workflows.summary import summary

COLUMNS = ("paddle", "torch", "paddle/net", "paddle/old")
ROWS = (  # kind, sizes, name in the networks, name in the program
    ("conv2d", "out = 4, in = 1, kh = 3, kw = 3", "stem", "conv2d_0"),
    ("conv2d", "out = 4, in = 4, kh = 3, kw = 3", "blocks.0.conv", "conv2d_1"),
    ("conv2d", "out = 4, in = 4, kh = 3, kw = 3", "blocks.1.conv", "conv2d_2"),
    ("batch_norm", "c = 4", "blocks.0.bn", "batch_norm2d_0"),
    ("batch_norm", "c = 4", "blocks.1.bn", "batch_norm2d_1"),
    ("linear", "in = 4, out = 3", "fc", "linear_0"),
)
HEAD = """\
summary = "a network of blocks"
input   = [1, 8, 8]

[implementations]
paddle = { build = "./nets.py:paddle_net" }
torch = { build = "./nets.py:torch_net" }
"paddle/net" = { build = "./net.json", dialect = "paddle/program" }
"paddle/old" = { build = "./old.pdmodel" }
"""
WRITE = """
import paddle, nets
paddle.seed(1)
net = nets.paddle_net()
net.blocks[0].bn._mean.set_value(paddle.rand([4]))
net.blocks[1].bn._variance.set_value(paddle.rand([4]) + 0.5)
net.eval()
paddle.jit.save(net, "{name}", input_spec=[paddle.static.InputSpec([None, 1, 8, 8], "float32", "x")])
paddle.save(net.state_dict(), "{name}.pdparams")
net.blocks[1].bn._epsilon = 1e-3
paddle.jit.save(net, "spoilt_{name}", input_spec=[paddle.static.InputSpec([None, 1, 8, 8], "float32", "x")])
"""


def rows():
    for kind, sizes, own, program in ROWS:
        cells = "\n".join(f'"{name}" = "{program if name == "paddle/net" else own}"' for name in COLUMNS)
        yield f'[[layers]]\nkind = "{kind}"\nsizes = {{ {sizes} }}\n{cells}\n'


@pytest.fixture(scope="module")
def written(tmp_path_factory, written_by):
    folder = tmp_path_factory.mktemp("inference")
    written_by(folder, WRITE.format(name="net"))
    written_by(folder, WRITE.format(name="old"), FLAGS_enable_pir_api="0")
    assert sorted(path.name for path in folder.glob("old.*")) == [
        "old.pdiparams", "old.pdiparams.info", "old.pdmodel", "old.pdparams",
    ]  # fmt: skip
    (folder / "net.toml").write_text("\n".join((HEAD, *rows())))
    return folder


@pytest.fixture
def copied(written, tmp_path):
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return tmp_path


def side(pool, path, column, dtype="float32"):
    table = load_table(str(path))
    return Side(pool, table, table.implementation(column), f"{column} {path}", dtype)


@pytest.mark.parametrize(("column", "file"), [("paddle/net", "net.json"), ("paddle/old", "old.pdmodel")])
def test_a_program_is_a_source_with_the_names_of_the_file(column, file, written, pool, port):
    assert list(side(pool, written / "net.toml", column).specs) == list(checkpoints.read(written / file).tensors)
    found = port(written / "net.toml", column, "torch", weights=written / file)
    assert found.verdict == "equivalent"
    assert found.proof.float64.max_rel < 1e-12


@pytest.mark.parametrize("column", ["paddle/net", "paddle/old"])
def test_a_program_is_a_target(column, written, port):
    assert port(written / "net.toml", "torch", column).verdict == "equivalent"
    assert port(written / "net.toml", "torch", column, out=written / "out.pdparams").verdict == "equivalent"


@pytest.mark.parametrize("column", ["paddle/net", "paddle/old"])
def test_a_program_computes_what_its_network_does(column, written, pool):
    """In float64 with the file's weights: everything in the program is float64, or it would be 1e-8 away."""
    one = side(pool, written / "net.toml", column)
    other = side(pool, written / "net.toml", "paddle")
    other.load_file(written / f"{column.partition('/')[2]}.pdparams").result()
    probe = np.random.default_rng(0).standard_normal((3, 1, 8, 8)).astype(np.float32)
    for dtype, away in (("float64", 1e-14), ("float32", 1e-6), ("float64", 1e-14)):
        first, second = (made.run(probe, dtype)().arrays[0] for made in (one, other))
        assert first.dtype == dtype
        assert np.abs(first - second).max() <= away


@pytest.mark.parametrize("column", ["paddle/net", "paddle/old"])
def test_gradients_flow_through_a_program(column, written, pool):
    assert (
        diff(str(written / "net.toml"), "torch", column, DiffOptions(gradients=True), pool=pool).verdict == "equivalent"
    )


@pytest.mark.parametrize("name", ["net.json", "old.pdmodel"])
def test_a_planted_fault_is_seen(name, copied, pool):
    """Another epsilon in the program, which no weight shows."""
    text = (copied / "net.toml").read_text().replace(f'"./{name}"', f'"./spoilt_{name}"')
    (copied / "net.toml").write_text(text)
    column = f"paddle/{name.partition('.')[0]}"
    assert diff(str(copied / "net.toml"), "torch", column, DiffOptions(), pool=pool).verdict == "different"


def test_check_show_summary_and_onnx_take_a_program(written, pool, cli):
    assert not check(str(written / "net.toml"), pool=pool).problems
    assert cli("show", str(written / "net.toml"), "paddle/net", "torch").returncode == 0
    said = summary(str(written / "net.toml"), ("torch", "paddle/net"), pool=pool)
    assert said.totals["torch"].parameters == said.totals["paddle/net"].parameters
    found = triangle(str(written / "net.toml"), ("torch", "paddle/net"), OnnxOptions(), pool=pool)
    assert not found.failed
    assert all(found.parities)


def test_a_wrong_name_in_the_table_is_told(copied, pool):
    (copied / "net.toml").write_text((copied / "net.toml").read_text().replace('"linear_0"', '"linear_1"'))
    assert "did you mean 'linear_0.w_0'?" in str(check(str(copied / "net.toml"), pool=pool).problems[0])


def test_a_certificate_names_the_files_that_were_built_of(written, port):
    found = port(written / "net.toml", "paddle/net", "torch")
    builds = json.loads(found.certificate.read_text())["builds"]
    assert builds["source"]["build"] == "./net.json"
    assert set(builds["source"]["files"]) == {"net.json", "net.pdiparams"}
    assert set(builds["target"]["files"]) == {"nets.py"}


def test_weights_that_are_of_another_program_are_refused(copied, pool):
    (copied / "net.pdiparams").write_bytes((copied / "net.pdiparams").read_bytes()[:-4])
    with pytest.raises(CheckpointError):
        side(pool, copied / "net.toml", "paddle/net")


def test_a_program_without_weights_is_refused(copied, pool):
    (copied / "net.pdiparams").unlink()
    with pytest.raises((CheckpointError, ModelError), match="net.pdiparams"):
        assert side(pool, copied / "net.toml", "paddle/net").specs


class _Evil:
    def __init__(self, mark):
        self._mark = mark

    def __reduce__(self):
        return (open, (str(self._mark), "w"))


def test_no_pickle_beside_a_program_is_run(copied, pool):
    """``paddle.jit.load`` unpickles .pdiparams.info where it loads a .pdmodel itself."""
    mark = copied / "pwned"
    evil = pickle.dumps(_Evil(mark), protocol=2)
    (copied / "old.pdiparams.info").write_bytes(evil)
    with pytest.raises(CheckpointError):
        side(pool, copied / "net.toml", "paddle/old")
    assert not mark.exists()
    (copied / "net.pdiparams.info").write_bytes(evil)
    with pytest.raises(CheckpointError):
        side(pool, copied / "net.toml", "paddle/net")
    assert not mark.exists()
    pickle.loads(evil).close()
    assert mark.exists()


def test_where_there_are_no_layers_no_layer_is_blamed(copied, pool):
    """The outputs differ, and nothing in a program can be looked at: neither a layer nor a cause is named."""
    (copied / "net.toml").write_text((copied / "net.toml").read_text().replace('"./net.json"', '"./spoilt_net.json"'))
    for ends in (("torch", "paddle/net"), ("paddle/net", "torch")):
        found = diff(str(copied / "net.toml"), *ends, DiffOptions(), pool=pool)
        assert found.verdict == "different"
        said = found.to_json()
        assert "paddle/net has no layers that can be looked at: outputs alone are compared" in said["notes"]
        assert (said["first_divergence"] or {"layer": "output"})["layer"] == "output"
