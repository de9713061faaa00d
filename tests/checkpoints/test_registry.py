"""Content decides how a file is read, its name how it is written; everything else is one CheckpointError."""

import os
import shlex
import subprocess
import sys

import h5py
import numpy as np
import pytest
from conftest import outgoing

from xframe import checkpoints
from xframe.errors import CheckpointError, UsageError
from xframe.tensors import TensorSpec

SPEC = TensorSpec("x", (3,), "float32")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.pth", "torch"), ("a.PT", "torch"), ("pytorch_model.bin", "torch"), ("a.pdparams", "paddle"),
        ("a.safetensors", "safetensors"), ("a.npz", "npz"), ("a.weights.h5", "weights.h5"), ("a.b.keras", "keras"),
        ("model.index", "tensorflow"),
    ],
)  # fmt: skip
def test_format_by_extension(name, form):
    assert checkpoints.format_of(name) == form


@pytest.mark.parametrize("name", ["a", "a.onnx", "a.h5", ".weights.h6"])
def test_unknown_extension(name):
    with pytest.raises(UsageError, match=r"\.pth.*\.pdparams.*\.safetensors.*\.npz.*\.weights\.h5.*\.keras"):
        checkpoints.format_of(name)


@pytest.mark.parametrize("name", ["a.weights.h5", "a.keras", "a.index"])
def test_keras_writes_its_own_files(tmp_path, name):
    with pytest.raises(UsageError, match="Keras itself writes"):
        checkpoints.write(tmp_path / name, None, outgoing([SPEC]))
    assert list(tmp_path.iterdir()) == []


def test_unknown_format_name(tmp_path):
    with pytest.raises(UsageError, match="expected a format among torch"):
        checkpoints.write(tmp_path / "a.pth", "onnx", outgoing([SPEC]))


def test_content_decides_and_a_note_says_so(tmp_path):
    checkpoints.write(tmp_path / "a.pth", "paddle", outgoing([SPEC]))
    read = checkpoints.read(tmp_path / "a.pth")
    assert (read.format, read.specs) == ("paddle", (SPEC,))
    assert read.notes == ("named as torch, but its content is paddle",)
    (tmp_path / "a.pth").rename(tmp_path / "noname")
    assert checkpoints.read(tmp_path / "noname").notes == ()


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors", "a.npz", "a.pdparams"])
def test_only_own_extension_is_no_note(tmp_path, name):
    checkpoints.write(tmp_path / name, None, outgoing([SPEC]))
    assert checkpoints.read(tmp_path / name).notes == ()


def refused(path):
    with pytest.raises(CheckpointError) as error:
        checkpoints.read(path)
    message = str(error.value)
    assert message.startswith(str(path))
    assert all(word in message for word in ("expected", "found", "Try"))
    assert "\n" not in message
    return message


def test_no_file_at_all(tmp_path):
    (tmp_path / "resnet18.pth").touch()
    assert "Try: resnet18.pth" in refused(tmp_path / "resnet81.pth")
    refused(tmp_path / "no" / "folder.pth")


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.pth")
    assert "pipe" in refused(tmp_path / "pipe.pth")
    assert "folder" in refused(tmp_path)
    assert "device" in refused(type(tmp_path)("/dev/null"))
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(tmp_path / "loop")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "web page"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"hello", "68 65 6c 6c 6f"),
        (b"\x93NUMPY\x01\x00", "no name"),
        (b"\x80\x09.", "protocol above 5"),
        (b"x" * 257 + b"ustar\x0000" + b"x" * 300, "tar"),
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "cut off"),
        (b"\x1b[31m\x07", "1b 5b"),
    ],
)
def test_unknown_content(tmp_path, content, found):
    (tmp_path / "a.pth").write_bytes(content)
    assert found in refused(tmp_path / "a.pth")


@pytest.mark.parametrize("extension", [".safetensors", ".pdparams", ".npz"])
def test_a_file_of_two_formats_is_refused(tmp_path, extension):
    """A zip archive may follow anything: readers that look at the end see it, readers that look at the start do not."""
    checkpoints.write(tmp_path / f"a{extension}", None, outgoing([SPEC]))
    checkpoints.write(tmp_path / "b.pth", None, outgoing([SPEC]))
    (tmp_path / "both").write_bytes((tmp_path / f"a{extension}").read_bytes() + (tmp_path / "b.pth").read_bytes())
    refused(tmp_path / "both")


def test_hdf5_and_zip_in_one_file_is_refused(tmp_path):
    """HDF5's library takes no notice of what follows the file that it knows."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["layers/dense/vars/0"] = np.ones(2)
    checkpoints.write(tmp_path / "b.pth", None, outgoing([SPEC]))
    (tmp_path / "both").write_bytes((tmp_path / "a.h5").read_bytes() + (tmp_path / "b.pth").read_bytes())
    assert "one format" in refused(tmp_path / "both")


def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.pdparams"
    checkpoints.write(path, None, outgoing([SPEC]))
    flatten = checkpoints.paddle.params.flatten

    def meanwhile(*arguments):
        os.utime(path, ns=(1, 1))
        return flatten(*arguments)

    monkeypatch.setattr("xframe.checkpoints.paddle.params.flatten", meanwhile)
    assert "changes as it is read" in refused(path)


def test_unreadable(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.ones(2))

    def denied(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", denied)
    assert "Permission denied" in refused(path)


def test_expanded_and_repeated_tensors_have_a_bound(tmp_path):
    import pickle

    array = np.zeros(10_000, "f4")
    (tmp_path / "few").write_bytes(pickle.dumps({f"{index}": array for index in range(15)}, protocol=4))
    assert len(checkpoints.read(tmp_path / "few").tensors) == 15
    (tmp_path / "many").write_bytes(pickle.dumps({f"{index}": array for index in range(40)}, protocol=4))
    assert "16 times" in refused(tmp_path / "many")


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_bytes(b"short")])
@pytest.mark.parametrize("extension", [".pdparams", ".safetensors", ".npz", ".pth"])
def test_a_file_that_changes_after_it_was_read(tmp_path, extension, change):
    path = tmp_path / f"a{extension}"
    checkpoints.write(path, None, outgoing([SPEC]))
    tensor = checkpoints.read(path).tensors[SPEC.name]
    change(path)
    with pytest.raises(CheckpointError, match=r"a\."):
        tensor.array()


@pytest.mark.parametrize(
    ("names", "attempt"),
    [
        ([], "the path of a file"),
        (["config.json", "pytorch_model.bin"], "{folder}/pytorch_model.bin"),
        (["a.PTH", "b.npz", "readme.md"], "{folder}/a.PTH, {folder}/b.npz"),
        (["a.pth", "b.pth", "c.pth", "d.onnx"], "{folder}/a.pth, {folder}/b.pth, {folder}/c.pth or another of 4"),
        (["model-1-of-1.safetensors", "model.safetensors.index.json"], "{folder}/model.safetensors.index.json"),
        (["inference.json", "inference.pdiparams"], "{folder}/inference.pdiparams"),
        (
            ["0.metadata", "0_0.distcp"],
            "load it with paddle.distributed.load_state_dict and paddle.save the state dict",
        ),
        (["\x1b[2J.pth"], r"{folder}/\x1b[2J.pth"),
    ],
)
def test_a_folder_is_answered_with_what_is_in_it(tmp_path, names, attempt):
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "inner.pth").mkdir()
    with pytest.raises(CheckpointError) as caught:
        checkpoints.read(tmp_path)
    expected = f"expected a weight file; found a folder. Try: {attempt.format(folder=tmp_path)}."
    assert str(caught.value) == f"{tmp_path}: {expected}"


def test_a_distributed_checkpoint_has_torch_s_own_way_to_a_file(tmp_path):
    """As torch.distributed.checkpoint writes it; the command that is named makes a file that is read."""
    script = (
        "import sys, torch, torch.distributed.checkpoint as d; d.save({'w': torch.ones(3)}, checkpoint_id=sys.argv[1])"
    )
    ignoring = [sys.executable, "-W", "ignore"]
    subprocess.run([*ignoring, "-c", script, tmp_path / "as saved"], check=True, timeout=300)
    with pytest.raises(CheckpointError) as caught:
        checkpoints.read(tmp_path / "as saved")
    named = str(caught.value).partition("Try: python ")[2].partition(", and then weights.pth")[0]
    subprocess.run([*ignoring, *shlex.split(named)], check=True, timeout=300, cwd=tmp_path)
    assert checkpoints.read(tmp_path / "weights.pth").tensors["w"].spec == TensorSpec("w", (3,), "float32")


@pytest.mark.parametrize(
    ("asked", "attempt"),
    [
        ("inference", "inference.json, inference.pdiparams"), ("mobile.pt", "mobile.pth"), ("bert", "another path"),
        ("resnet18", "resnet18.1, resnet18.2, resnet18.3"), ("nowhere/mobile.pth", "another path"),
        ("vgg.pth", r"vgg.\x07pth"),
    ],
)  # fmt: skip
def test_a_missing_file_is_answered_with_those_of_such_a_name(tmp_path, asked, attempt):
    """As a prefix, which frameworks take for several files, or nearly."""
    several = [f"resnet18.{number}" for number in range(1, 5)]
    for name in ["inference.json", "inference.pdiparams", "mobile.pth", "vgg.\apth", *several]:
        (tmp_path / name).touch()
    with pytest.raises(CheckpointError, match="nothing of that name") as caught:
        checkpoints.read(tmp_path / asked)
    assert str(caught.value).endswith(f" Try: {attempt}.")
