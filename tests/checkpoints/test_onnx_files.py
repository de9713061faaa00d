"""ONNX files of the onnx library and of three exporters, bit for bit as onnx.numpy_helper reads them."""

import pytest
from conftest import Exchange, run, told

from xframe import checkpoints
from xframe.errors import CheckpointError

LIBRARY = ["typed.onnx", "raw.onnx", "many.onnx", "one.onnx", "each/each.onnx", "bare.onnx", "nested.onnx"]


def written_by(factory, writer):
    folder = factory.mktemp(f"onnx_{writer}")
    run("onnx", folder, writer)
    return Exchange(None, folder)


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    return written_by(tmp_path_factory, "library")


@pytest.mark.parametrize("name", LIBRARY)
def test_file_is_read_as_the_library_reads_it(library, name):
    path = library.theirs / name
    checkpoint = checkpoints.read(path)
    assert checkpoint.format == "onnx"
    assert told(checkpoint) == library.said(path)
    assert checkpoint.tensors


@pytest.mark.parametrize("name", ["raw.onnx", "one.onnx", "each/each.onnx", "bare.onnx"])
def test_raw_and_external_tensors_stay_in_their_files(library, name):
    tensors = checkpoints.read(library.theirs / name).tensors.values()
    assert all(tensor.extent is not None for tensor in tensors)
    assert all((tensor.extent.path == library.theirs / name) == (name == "raw.onnx") for tensor in tensors)


def test_typed_floats_stay_in_the_file_and_integers_are_unpacked(library):
    tensors = checkpoints.read(library.theirs / "typed.onnx").tensors
    placed = {
        name.partition("(")[0] for name, tensor in tensors.items() if tensor.extent is not None and tensor.spec.numel
    }
    assert placed == {"FLOAT", "DOUBLE", "COMPLEX64", "COMPLEX128"}


def test_metadata(library):
    assert checkpoints.read(library.theirs / "raw.onnx").metadata == {
        "ir_version": "8", "producer_name": "me", "producer_version": "1.5", "opset.ai.onnx": "17",
        "opset.com.example": "3", "metadata.author": "\\xfc", "metadata.epoch": "3",
    }  # fmt: skip


def test_what_is_not_read_is_noted(library):
    assert checkpoints.read(library.theirs / "raw.onnx").notes == ()
    nested = checkpoints.read(library.theirs / "nested.onnx")
    assert list(nested.tensors) == ["w"]
    assert nested.notes == (
        "left out: 2 initialisers of nested graphs (bodies of If, Loop …)",
        "left out: 3 tensors that are attributes of nodes (Constant …)",
    )


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("UINT4", "uint4"), ("INT4", "int4"), ("FLOAT8E4M3FNUZ", "float8_e4m3fnuz"),
        ("FLOAT8E5M2FNUZ", "float8_e5m2fnuz"), ("STRING", "text"), ("sparse", "a sparse one"),
    ],
)  # fmt: skip
def test_what_no_state_dict_holds_is_refused(library, name, found):
    with pytest.raises(CheckpointError, match=found):
        checkpoints.read(library.theirs / "refused" / f"{name}.onnx")


@pytest.mark.parametrize(
    ("writer", "names"),
    [("torch", ["torch.onnx", "external.onnx"]), ("paddle", ["paddle.onnx"]), ("keras", ["keras.onnx"])],
)
def test_an_exporter_s_file(tmp_path_factory, writer, names):
    files = written_by(tmp_path_factory, writer)
    for name in names:
        checkpoint = checkpoints.read(files.theirs / name)
        assert told(checkpoint) == files.said(files.theirs / name)
        shapes = {tensor.spec.shape for tensor in checkpoint.tensors.values()}
        assert {(4, 3, 3, 3), (144, 2)} <= shapes or {(4, 3, 3, 3), (2, 144)} <= shapes
