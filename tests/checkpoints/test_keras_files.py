"""Legacy .h5 files as Keras itself writes them; TensorFlow checkpoints that a Keras worker writes for us."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
from conftest import outgoing, run, told

from xframe import checkpoints
from xframe.checkpoints import staged
from xframe.errors import OutputError, UsageError
from xframe.tensors import TensorSpec
from xframe.workflows.convert import convert

LENET = [
    TensorSpec("conv1.weight", (6, 1, 5, 5), "float32"), TensorSpec("conv1.bias", (6,), "float32"),
    TensorSpec("conv3.weight", (16, 6, 5, 5), "float32"), TensorSpec("conv3.bias", (16,), "float32"),
    TensorSpec("conv5.weight", (120, 16, 5, 5), "float32"), TensorSpec("conv5.bias", (120,), "float32"),
    TensorSpec("linear6.weight", (84, 120), "float32"), TensorSpec("linear6.bias", (84,), "float32"),
    TensorSpec("linear7.weight", (10, 84), "float32"), TensorSpec("linear7.bias", (10,), "float32"),
]  # fmt: skip
DATA = "out.data-00000-of-00001"


@pytest.mark.parametrize(("name", "count"), [("nested.h5", 10), ("long.h5", 240)])
def test_a_legacy_file_is_read_under_the_names_of_the_variables(keras_files, name, count):
    path = keras_files.theirs / name
    checkpoint = checkpoints.read(path)
    assert told(checkpoint) == keras_files.said(path)
    assert len(checkpoint.tensors) == count
    assert checkpoint.format == "h5"


def test_names_in_a_legacy_file_and_what_is_left_out_of_it(keras_files):
    nested = checkpoints.read(keras_files.theirs / "nested.h5")
    assert list(nested.tensors)[:3] == ["conv1/kernel", "conv1/bias", "bn/gamma"]
    assert "inner/deep/kernel" in nested.tensors
    assert nested.notes == ("left out: 18 variables of the optimizer",)


def test_keras_splits_both_lists_of_names(keras_files):
    with h5py.File(keras_files.theirs / "long.h5") as file:
        group = file["model_weights"]
        assert "layer_names1" in group.attrs
        assert "weight_names1" in group["heavy"].attrs


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    """A folder with lenet.pth, what Keras made of it, and what TensorFlow says of that."""
    folder = tmp_path_factory.mktemp("bundle")
    checkpoints.write(folder / "lenet.pth", None, outgoing(LENET))
    convert("lenet5_maxavg", "torch", "keras", folder / "lenet.pth", folder / "out.index")
    run("tensorflow", folder, "read")
    return folder


def test_a_bundle_comes_alone_with_its_data(bundle):
    assert {path.name for path in bundle.iterdir()} == {"lenet.pth", "out.index", DATA, "out.index.json"}


def test_tensorflow_reads_the_bundle_that_we_had_written(bundle):
    import json

    written = checkpoints.read(bundle / "out.index")
    assert told(written) == json.loads((bundle / "out.index.json").read_text())
    assert "linear6/kernel" in written.tensors
    assert written.notes == ()


def test_a_bundle_comes_back_the_same_without_a_framework(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr("xframe.workers.Pool", None)
    convert("lenet5_maxavg", "keras", "torch", bundle / "out.index", tmp_path / "back.pth")
    assert told(checkpoints.read(tmp_path / "back.pth")) == told(checkpoints.read(bundle / "lenet.pth"))


def test_no_other_framework_writes_a_bundle(tmp_path, bundle):
    with pytest.raises(UsageError, match="only keras or tf writes"):
        convert("lenet5_maxavg", "torch", "paddle", bundle / "lenet.pth", tmp_path / "out.index")
    with pytest.raises(UsageError, match="Keras itself writes"):
        checkpoints.write(tmp_path / "out.index", None, outgoing(LENET))
    assert list(tmp_path.iterdir()) == []


OTHER_BACKEND = """
import sys
from pathlib import Path
import keras
from xframe.frameworks.keras import framework
framework.save_file(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), Path(sys.argv[1]))
"""


def test_another_backend_says_that_it_cannot(tmp_path):
    command = [sys.executable, "-c", OTHER_BACKEND, tmp_path / "out.index"]
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "ValueError: only the tensorflow backend writes TensorFlow checkpoints, not torch" in done.stderr
    assert list(tmp_path.iterdir()) == []


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fill(stage):
    stage.path.write_bytes(b"new index")
    for partial, _ in stage.beside:
        partial.write_bytes(b"new data")


@pytest.fixture
def pair(tmp_path):
    (tmp_path / "out.index").write_bytes(b"old index")
    (tmp_path / DATA).write_bytes(b"old data")
    return tmp_path


def test_a_pair_is_published_whole(pair):
    with staged(pair / "out.index", ending=".partial.index") as stage:
        fill(stage)
        assert {"out.index": b"old index", DATA: b"old data"}.items() <= contents(pair).items()
        assert [partial.name for partial, _ in stage.beside] == [f"{stage.path.stem}.data-00000-of-00001"]
        stage.publish()
    assert contents(pair) == {"out.index": b"new index", DATA: b"new data"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_old_pair_survives_an_error(pair, error):
    def values(stage):
        fill(stage)
        raise error

    with pytest.raises(error), staged(pair / "out.index", ending=".partial.index") as stage:
        values(stage)
    assert contents(pair) == {"out.index": b"old index", DATA: b"old data"}


def test_an_old_pair_survives_an_index_without_data(pair):
    with pytest.raises(OutputError), staged(pair / "out.index", ending=".partial.index") as stage:
        stage.publish()
    assert contents(pair) == {"out.index": b"old index", DATA: b"old data"}


def test_data_goes_before_its_index(pair, monkeypatch):
    replaced = []
    monkeypatch.setattr(Path, "replace", lambda _, target: replaced.append(target.name))
    with staged(pair / "out.index", ending=".partial.index") as stage:
        fill(stage)
        stage.publish()
    assert replaced == [DATA, "out.index"]


def test_a_folder_in_the_place_of_the_data_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / DATA).mkdir()
    with pytest.raises(OutputError, match="found a folder"), staged(tmp_path / "out.index", ending=".partial.index"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [DATA]


def test_other_files_have_nothing_beside_them(tmp_path):
    with staged(tmp_path / "out.pth") as stage:
        assert stage.beside == []
