"""``.keras`` files and SavedModel folders as sides: in float64, without code of the file's own."""

import json
import shutil
import zipfile

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

TABLE = """\
summary = "a small network"
input   = [1, 8, 8]

[implementations]
keras = { build = "./nets.py:keras_net" }
"keras/file" = { build = "./net.keras" }
"tf/folder" = { build = "./saved/" }

[[layers]]
kind = "conv2d"
sizes = { out = 3, in = 1, kh = 3, kw = 3 }
keras = "conv"
"keras/file" = "conv"
"tf/folder" = "conv"

[[layers]]
kind = "batch_norm"
sizes = { c = 3 }
keras = "norm"
"keras/file" = "norm"
"tf/folder" = "norm"

[[layers]]
kind = "linear"
sizes = { in = 3, out = 5 }
keras = "fc"
"keras/file" = "fc"
"tf/folder" = "fc"
"""
WRITE = """
import numpy as np, keras, nets
net = nets.keras_net()
for variable in net.weights:
    variable.assign(np.random.default_rng(3).uniform(0.5, 1.5, variable.shape))
net.save("net.keras")
net.save_weights("net.weights.h5")
net.export("saved", verbose=False)
spoilt = nets.keras_net(epsilon=1e-2)
spoilt.set_weights(net.get_weights())
spoilt.save("spoilt.keras")
spoilt.export("spoilt", verbose=False)
net = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x + 1), keras.layers.Dense(3, name="fc")])
net.save("lambda.keras")
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory, written_by):
    folder = tmp_path_factory.mktemp("keras")
    written_by(folder, WRITE)
    (folder / "net.toml").write_text(TABLE.replace('"./saved/" }', '"./saved/", dialect = "keras" }'))
    return folder


@pytest.fixture
def copied(written, tmp_path):
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return tmp_path


def side(pool, path, column, dtype="float32"):
    table = load_table(str(path))
    return Side(pool, table, table.implementation(column), f"{column} {path}", dtype)


def test_both_compute_in_float64_what_the_code_does(written, pool):
    sides = [side(pool, written / "net.toml", name) for name in ("keras", "keras/file", "tf/folder")]
    sides[0].load_file(written / "net.weights.h5").result()
    assert set(sides[2].specs) == set(checkpoints.read(written / "saved").tensors)
    probe = np.random.default_rng(0).standard_normal((3, 1, 8, 8)).astype(np.float32)
    for dtype, away in (("float64", 1e-13), ("float32", 1e-5), ("float64", 1e-13)):
        code, file, folder = (one.run(probe, dtype)().arrays[0] for one in sides)
        assert code.dtype == file.dtype == folder.dtype == dtype
        assert np.abs(code - file).max() <= away
        # the graph's own epsilon is 1e-3 as float32 has it; anything else in float32 would be 1e-7 away
        assert np.abs(code - folder).max() <= max(away, 1e-9)


@pytest.mark.parametrize("column", ["keras/file", "tf/folder"])
def test_each_is_a_source_and_a_target(column, written, port):
    assert port(written / "net.toml", column, "keras").verdict == "equivalent"
    assert port(written / "net.toml", "keras", column).verdict == "equivalent"


def test_layers_of_a_file_are_held_against_the_codes(written, pool):
    found = diff(str(written / "net.toml"), "keras", "keras/file", DiffOptions(gradients=True), pool=pool)
    assert found.verdict == "equivalent"
    assert {"conv", "norm", "fc"} <= {layer["target_name"] for layer in found.to_json()["layers"]}
    assert (
        diff(str(written / "net.toml"), "keras", "tf/folder", DiffOptions(gradients=True), pool=pool).verdict
        == "equivalent"
    )


@pytest.mark.parametrize(
    ("column", "old", "new"), [("keras/file", "net.", "spoilt."), ("tf/folder", "saved", "spoilt")]
)
def test_a_planted_fault_is_seen(column, old, new, copied, pool):
    path = copied / "net.toml"
    path.write_text(path.read_text().replace(f'"./{old}', f'"./{new}'))
    found = diff(str(path), "keras", column, DiffOptions(), pool=pool)
    assert found.verdict == "different"
    if column == "keras/file":
        assert found.to_json()["first_divergence"]["target_name"] == "norm"


def test_check_and_onnx_take_them(written, pool):
    assert not check(str(written / "net.toml"), pool=pool).problems
    found = triangle(str(written / "net.toml"), ("keras", "keras/file", "tf/folder"), OnnxOptions(), pool=pool)
    assert not found.failed
    assert all(found.parities)


def evil(source, target, module, name):
    """The file with another class for its first layer."""
    with zipfile.ZipFile(source) as held, zipfile.ZipFile(target, "w") as out:
        for member in held.namelist():
            data = held.read(member)
            if member == "config.json":
                said = json.loads(data)
                said["config"]["layers"][1].update(module=module, class_name=name, registered_name=None)
                data = json.dumps(said).encode()
            out.writestr(member, data)


REFUSED = {
    "os": ("os", "system", "needs 'system', which is none of Keras's own classes"),
    "nobody": (None, "Net", "needs 'Net', which is none of Keras's own classes"),
    "builtins": ("builtins", "eval", "needs 'eval'"),
    "a file from the net": ("keras.utils", "get_file", "does not build: Cannot deserialize"),
    "the mark": ("marked", "Net", "needs 'Net'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_imports_nothing_but_keras(case, copied, pool, table, monkeypatch):
    module, name, expected = REFUSED[case]
    (copied / "marked.py").write_text(f"open({str(copied / 'pwned')!r}, 'w').close()\nclass Net: pass\n")
    evil(copied / "net.keras", copied / "evil.keras", module, name)
    with pytest.raises(ModelError) as caught:
        assert side(pool, table({"keras": '{ build = "./evil.keras" }'}), "keras").specs
    assert expected in str(caught.value)
    assert not (copied / "pwned").exists()


def test_a_lambda_is_refused(copied, pool, table):
    with pytest.raises(ModelError, match="holds a Lambda, code that would be run"):
        assert side(pool, table({"keras": '{ build = "./lambda.keras" }'}), "keras").specs


def test_a_saved_model_that_writes_files_is_refused(copied, written_by, pool, table):
    written_by(
        copied,
        f"""
import tensorflow as tf
class Net(tf.Module):
    def __init__(self):
        super().__init__()
        self.w = tf.Variable(tf.ones([4, 3]), name="fc/W")
    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32)])
    def serve(self, x):
        tf.io.write_file({str(copied / "pwned")!r}, "x")
        return x @ self.w
net = Net()
tf.saved_model.save(net, "writes", signatures=net.serve)
""",
    )
    with pytest.raises(ModelError, match="asks for WriteFile, which reaches files or Python, and is refused"):
        assert side(pool, table({"tf": '{ build = "./writes/" }'}), "tf").specs
    assert not (copied / "pwned").exists()


@pytest.mark.parametrize(("column", "name"), [("keras", "absent.keras"), ("keras", "noise.keras"), ("tf", "absent/")])
def test_what_is_no_model_is_one_error(column, name, copied, pool, table):
    (copied / "noise.keras").write_bytes(b"no zip")
    with pytest.raises((CheckpointError, ModelError)) as caught:
        assert side(pool, table({column: f'{{ build = "./{name}" }}'}), column).specs
    assert name.rstrip("/") in str(caught.value)
    assert "\n" not in str(caught.value)
