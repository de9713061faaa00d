"""LPIPS as two packages publish it: lpips 0.1.4 as PyTorch's files, paddle-lpips 0.1.2.0 as Paddle's.

Six files a package: three trunks in two versions. They hold the linear layers behind the trunk, which nobody ships; the
whole networks are compared over trunks that are drawn.
"""

import shutil

import numpy as np
import pytest
from plans import differences, planned

from xframe import checkpoints
from xframe.errors import PlanError
from xframe.workflows.convert import convert
from xframe.workflows.diff import DiffOptions, diff

NETS = {"alex": 5, "vgg": 5, "squeeze": 7}
VERSIONS = ("0.0", "0.1")  # 34 tensors
SCALING = {"shift": [-0.030, -0.088, -0.188], "scale": [0.458, 0.448, 0.450]}  # in both packages' lpips.py
each_file = pytest.mark.parametrize(("name", "version"), [(name, version) for name in NETS for version in VERSIONS])
EXCHANGED = """
[[layers]]
kind    = "conv2d"
sizes   = { out = 1, in = 256, kh = 1, kw = 1 }
without = ["bias"]
torch   = "lin3.model.1"
paddle  = "lin4.model.1"

[[layers]]
kind    = "conv2d"
sizes   = { out = 1, in = 256, kh = 1, kw = 1 }
without = ["bias"]
torch   = "lin4.model.1"
paddle  = "lin3.model.1"
"""
TURNED = """
[kinds.conv2d_turned]
summary = "a convolution that gives its inputs"

  [kinds.conv2d_turned.weight]
  torch  = { weight = "out in kh kw" }
  paddle = { weight = "in out kh kw" }
"""


@pytest.fixture(scope="module")
def pool(workers_with):
    with workers_with("lpips==0.1.4", "paddle-lpips==0.1.2.0", "torchvision==0.28.0") as pool:
        yield pool


@pytest.fixture(scope="module")
def published(package):
    """The file of one package, column, trunk and version."""
    folders = {
        "torch": (package("lpips==0.1.4") / "lpips" / "weights", "pth"),
        "paddle": (package("paddle-lpips==0.1.2.0") / "paddle_lpips" / "weights", "pdparams"),
    }

    def of(column, name, version):
        folder, extension = folders[column]
        return folder / f"v{version}" / f"{name}.{extension}"

    return of


def test_there_are_thirty_four(published, digests):
    for column in ("torch", "paddle"):
        counts = [len(digests(published(column, name, version))) for name in NETS for version in VERSIONS]
        assert counts == [NETS[name] for name in NETS for _ in VERSIONS]
        assert sum(counts) == 34


@each_file
def test_every_tensor_is_the_other_s_to_the_last_bit(published, table, digests, tmp_path, name, version):
    for source, target, out in (("torch", "paddle", "out.pdparams"), ("paddle", "torch", "out.pth")):
        theirs = published(source, name, version)
        result = convert(str(table(f"lpips_{name}")), source, target, theirs, tmp_path / out)
        assert result.plan.counts() == {"moved": NETS[name], "filled": [], "dropped": []}
        assert digests(tmp_path / out) == digests(published(target, name, version))


@each_file
def test_the_linear_layers_compute_the_same_with_their_own_weights(pool, published, table, name, version):
    files = {f"{end}_weights": published(column, name, version) for end, column in ENDS.items()}
    found = diff(str(table(f"lpips_{name}")), "torch", "paddle", DiffOptions(**files), pool=pool)
    assert found.verdict == "equivalent", found
    assert found.tensors == ()
    assert found.outputs.max_rel <= 1e-9


ENDS = {"source": "torch", "target": "paddle"}


@pytest.fixture
def whole(port, pool, published, table, tmp_path):
    """A file of all weights under PyTorch's names: a trunk that is drawn, the package's scaling and linear layers."""

    def of(name, version):
        drawn = port(
            table(f"lpips_{name}_whole"), "paddle", "torch", verify=False, out=tmp_path / "drawn.npz",
            set={"version": version},
        ).out  # fmt: skip
        state = dict(np.load(drawn))
        for role, values in SCALING.items():
            state[f"scaling_layer.{role}"] = np.array(values, np.float32).reshape(1, 3, 1, 1)
        for tensor, held in checkpoints.read(published("torch", name, version)).tensors.items():
            for listed in (tensor, tensor.replace("lin", "lins.", 1)):
                assert state[listed].shape == held.spec.shape
                state[listed] = held.array()
        np.savez(tmp_path / "whole.npz", **state)
        return tmp_path / "whole.npz"

    return of


@pytest.fixture
def pictures(tmp_path):
    """Two pairs of pictures between -1 and 1, the second of a pair a little beside the first: (2, 6, 64, 64)."""
    random = np.random.default_rng(0)
    first = random.uniform(-0.9, 0.9, (2, 3, 64, 64))
    path = tmp_path / "pairs.npy"
    np.save(path, np.concatenate([first, first + random.uniform(-0.1, 0.1, first.shape)], 1).astype(np.float32))
    return path


@each_file
def test_whole_distances_are_the_same(port, whole, published, table, pictures, digests, name, version):
    found = port(
        table(f"lpips_{name}_whole"), "torch", "paddle", weights=whole(name, version), input=pictures,
        set={"version": version},
    )  # fmt: skip
    assert found.verdict == "equivalent", found
    assert found.proof.float64.max_rel <= 1e-9
    scaling = {"scaling_layer.shift", "scaling_layer.scale"}
    assert set(found.proof.unproven) == (scaling if version == "0.0" else set())
    ours, theirs = digests(found.out), digests(published("paddle", name, version))
    assert {tensor: ours[tensor] for tensor in theirs} == theirs


def test_exchanged_layers_are_caught(port, published, table, rewritten, digests, tmp_path):
    wrong = rewritten("lpips_alex", ('{ n = "0..4" }', '{ n = "0..2" }'), more=EXCHANGED)
    source, tensors = published("torch", "alex", "0.1"), {"lin3.model.1.weight", "lin4.model.1.weight"}
    found = port(wrong, "torch", "paddle", weights=source)
    assert found.verdict == "different"
    assert found.out is None
    assert found.proof.divergence.target_name in {"lin3.model.1", "lin4.model.1"}
    convert(str(wrong), "torch", "paddle", source, tmp_path / "out.pdparams")
    ours, theirs = digests(tmp_path / "out.pdparams"), digests(published("paddle", "alex", "0.1"))
    assert {name for name in theirs if ours[name] != theirs[name]} == tensors
    plans = [planned(path, "torch", "paddle", source) for path in (table("lpips_alex"), wrong)]
    assert {line.partition(":")[0] for line in differences(*plans)} == tensors


def test_another_version_s_weights_are_told_tensor_by_tensor(pool, published, table):
    files = DiffOptions(
        source_weights=published("torch", "vgg", "0.0"), target_weights=published("paddle", "vgg", "0.1")
    )
    found = diff(str(table("lpips_vgg")), "torch", "paddle", files, pool=pool)
    assert found.verdict == "different"
    assert {tensor.name for tensor in found.tensors} == {f"lin{n}.model.1.weight" for n in range(5)}


def test_a_kernel_that_lies_across_is_refused(pool, port, published, rewritten, tmp_path, cli):
    """One output for many inputs: the shapes betray it, before a tensor moves."""
    wrong = rewritten("lpips_alex", ('"conv2d"', '"conv2d_turned"'), ('without = ["bias"]\n', ""), more=TURNED)
    with pytest.raises(PlanError, match="lin0"):
        port(wrong, "torch", "paddle", weights=published("torch", "alex", "0.1"))
    source = shutil.copy(published("torch", "alex", "0.1"), tmp_path / "alex.pth")
    done = cli("port", str(wrong), "torch", "paddle", "--weights", str(source), "--out", "x.pdparams")
    assert done.returncode == 2, done.stderr
    assert "lin0" in done.stderr
    assert not (tmp_path / "x.pdparams").exists()
