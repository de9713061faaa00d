"""Certificates: what a port proved of a file, held against that file later, without a framework."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import xframe
from xframe import checkpoints
from xframe.checkpoints import Outgoing
from xframe.errors import CheckpointError
from xframe.proving.certificate import read_certificate
from xframe.tensors import TensorSpec


@pytest.fixture(scope="module")
def ported(tmp_path_factory, pool):
    """A port to torch and one to Keras's own format, each with its certificate."""
    folder = tmp_path_factory.mktemp("ported")
    results = {}
    for target, name in (("torch", "a.pth"), ("keras", "a.weights.h5")):
        options = xframe.PortOptions(out=folder / name)
        results[name] = xframe.port("lenet5_maxavg", "paddle", target, options, pool=pool)
    return folder, results


def changed(path, change):
    """The same file with ``change`` applied to its arrays by name."""
    arrays = {name: np.array(tensor.array()) for name, tensor in checkpoints.read(path).tensors.items()}
    change(arrays)
    specs = [TensorSpec(name, array.shape, array.dtype.name) for name, array in arrays.items()]
    tensors = [Outgoing.whole(spec, lambda array=arrays[spec.name]: array) for spec in specs]
    checkpoints.write(path.with_name("changed.pth"), None, tensors)
    return path.with_name("changed.pth")


def nudge(arrays):
    arrays["conv3.bias"].reshape(-1).view("u4")[0] ^= 1


def zero(arrays):
    arrays["conv1.weight"][:] = 0


CHANGES = {
    "one bit": (nudge, "digest", "conv3.bias"),
    "another tensor": (zero, "digest", "conv1.weight"),
    "missing": (lambda arrays: arrays.pop("linear7.bias"), "missing", "linear7.bias"),
    "more": (lambda arrays: arrays.update(extra=np.zeros(2, "f4")), "unused", "extra"),
    "shape": (lambda a: a.update({"linear7.bias": a["linear7.bias"].reshape(1, -1)}), "shape", "linear7.bias"),
    "dtype": (lambda a: a.update({"linear7.bias": a["linear7.bias"].astype("f8")}), "dtype", "linear7.bias"),
}


@pytest.mark.parametrize("name", ["a.pth", "a.weights.h5"])
def test_a_port_certifies_its_file(ported, name):
    folder, results = ported
    said = json.loads((folder / f"{name}.xframe.json").read_text())
    assert results[name].to_json()["certificate"] == str(folder / f"{name}.xframe.json")
    assert said["verdict"] == "equivalent"
    assert said["float64"]["max_rel"] < 1e-9
    assert said["file"] == {"name": name, "bytes": (folder / name).stat().st_size}
    assert said["probe"]["shape"][1:] == [1, 32, 32]
    assert {"source", "target"} == set(said["versions"])
    assert len(said["tensors"]) == 10
    result = xframe.verify(folder / f"{name}.xframe.json", folder / name)
    assert result
    assert result.by_name == (name == "a.pth")


def test_digests_are_those_of_the_tensors_in_the_file(ported):
    from blake3 import blake3

    folder, results = ported
    for name, tensor in checkpoints.read(folder / "a.pth").tensors.items():
        wanted = "blake3:" + blake3(np.ascontiguousarray(tensor.array()).tobytes()).hexdigest()
        assert results["a.pth"].digests[name] == wanted


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_is_found_out(ported, change):
    folder, _ = ported
    apply, kind, tensor = CHANGES[change]
    result = xframe.verify(folder / "a.pth.xframe.json", changed(folder / "a.pth", apply))
    assert (result.exit_code, [(problem.kind, problem.tensor) for problem in result.problems]) == (1, [(kind, tensor)])


def test_a_changed_file_with_names_of_its_own_is_found_out(ported, tmp_path):
    import h5py

    folder, _ = ported
    shutil.copy(folder / "a.weights.h5", tmp_path)
    with h5py.File(tmp_path / "a.weights.h5", "r+") as file:
        file["layers/conv2d/vars/1"][0] += 1
    result = xframe.verify(folder / "a.weights.h5.xframe.json", tmp_path / "a.weights.h5")
    assert sorted(problem.kind for problem in result.problems) == ["digest", "unused"]


def test_another_format_with_the_same_tensors_is_unchanged(ported, tmp_path):
    folder, _ = ported
    out = tmp_path / "a.safetensors"
    xframe.convert("lenet5_maxavg", "torch", "torch", folder / "a.pth", out)
    assert xframe.verify(folder / "a.pth.xframe.json", out)


@pytest.mark.parametrize("content", ["", "{}", "[" * 100_000, '{"certificate": 2}', '{"certificate": 1, "tensors": 3}'])
def test_what_is_no_certificate_is_refused(tmp_path, content):
    (tmp_path / "a").write_text(content)
    with pytest.raises(CheckpointError, match="expected a certificate"):
        read_certificate(tmp_path / "a")


def test_a_port_without_proof_has_no_certificate(tmp_path, pool):
    options = xframe.PortOptions(out=tmp_path / "a.pth", verify=False)
    assert xframe.port("lenet5_maxavg", "paddle", "torch", options, pool=pool).certificate is None
    assert [path.name for path in tmp_path.iterdir()] == ["a.pth"]


def test_the_command(ported):
    folder, _ = ported
    command = [sys.executable, "-m", "xframe", "verify", "a.pth.xframe.json"]
    done = subprocess.run([*command, "a.pth"], cwd=folder, check=False, capture_output=True, text=True)
    assert (done.returncode, "unchanged" in done.stdout) == (0, True)
    changed(folder / "a.pth", nudge)
    done = subprocess.run([*command, "changed.pth", "--json"], cwd=folder, check=False, capture_output=True, text=True)
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (1, "different")
