"""Files of the real libraries and files for them, compared bit for bit."""

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from conftest import array_of, every_spec, outgoing, told

from xframe import checkpoints
from xframe.digests import digest
from xframe.errors import CheckpointError
from xframe.tensors import STORAGE, TensorSpec

PADDLE = ["net2.pdparams", "net3.pdparams", "net4.pdparams", "net5.pdparams", "odd2.pdparams", "odd4.pdparams",
          "nested.pdparams", "adam.pdopt"]  # fmt: skip
TORCH = ["net.pth", "net4.pth", "odd.pt", "views.pth", "wrapped.pth", "nocrc.pth"]
KERAS = ["net.weights.h5", "net.keras", "legacy.h5"]


def ours_told(extension):
    specs = every_spec(extension)
    return {spec.name: [spec.dtype, list(spec.shape), digest(array_of(spec, seed))] for seed, spec in enumerate(specs)}


@pytest.mark.parametrize("name", PADDLE)
def test_paddle_file_is_read_as_paddle_wrote_it(paddle_files, name):
    path = paddle_files.theirs / name
    checkpoint = checkpoints.read(path)
    assert told(checkpoint) == paddle_files.said(path)
    assert checkpoint.format == "paddle"


@pytest.mark.parametrize("name", TORCH)
def test_torch_file_is_read_as_torch_wrote_it(torch_files, name):
    path = torch_files.theirs / name
    checkpoint = checkpoints.read(path)
    assert told(checkpoint) == torch_files.said(path)
    assert checkpoint.format == "torch"
    assert all(tensor.extent is not None for tensor in checkpoint.tensors.values())


@pytest.mark.parametrize("name", KERAS)
def test_keras_file_is_read_as_keras_wrote_it(keras_files, name):
    path = keras_files.theirs / name
    checkpoint = checkpoints.read(path)
    assert told(checkpoint) == keras_files.said(path)
    assert checkpoint.format == {"legacy.h5": "h5", "net.keras": "keras"}.get(name, "weights.h5")
    assert all(tensor.extent is not None for tensor in checkpoint.tensors.values())


def test_paddle_reads_what_we_write(paddle_files):
    assert paddle_files.said(paddle_files.ours / "every.pdparams") == ours_told(".pdparams")
    assert paddle_files.said(paddle_files.ours / "none.pdparams") == {}


def test_torch_reads_what_we_write(torch_files):
    assert torch_files.said(torch_files.ours / "every.pth") == ours_told(".pth")
    assert torch_files.said(torch_files.ours / "none.pth") == {}


def test_zip64(torch_files):
    path = torch_files.ours / "zip64.pth"
    assert b"\x01\x00\x10\x00" in path.read_bytes()
    assert torch_files.said(path) == told(checkpoints.read(path)) == ours_told(".pth")
    assert all(tensor.extent.offset % 64 == 0 for tensor in checkpoints.read(path).tensors.values())


@pytest.mark.parametrize(
    ("name", "attempt"),
    [
        ("legacy.pth", "torch.save its state_dict"),
        ("sparse.pth", "to_dense"),
        ("conjugate.pth", "resolve_conj"),
        ("meta.pth", "has values"),
        ("module.pth", "torch.nn.modules"),
        ("nameless.pth", "state_dict"),
    ],
)
def test_torch_file_that_is_no_state_dict_is_refused_with_what_to_do(torch_files, name, attempt):
    with pytest.raises(CheckpointError, match=attempt):
        checkpoints.read(torch_files.theirs / "refused" / name)


def test_paddle_notes(paddle_files):
    nested = checkpoints.read(paddle_files.theirs / "nested.pdparams")
    assert not any("uint16" in note for note in nested.notes)
    assert "epoch" in nested.metadata
    assert "StructuredToParameterName@@" in checkpoints.read(paddle_files.theirs / "net4.pdparams").notes[0]
    assert any("LR_Scheduler" in name for name in checkpoints.read(paddle_files.theirs / "adam.pdopt").metadata)


def test_paddle_arrays_of_protocol_3_and_later_stay_in_the_file(paddle_files):
    for name in ("net3.pdparams", "net4.pdparams", "net5.pdparams"):
        tensors = checkpoints.read(paddle_files.theirs / name).tensors.values()
        assert all(tensor.extent is not None for tensor in tensors)


def test_torch_notes(torch_files):
    wrapped = checkpoints.read(torch_files.theirs / "wrapped.pth")
    assert wrapped.branches == {"state_dict": len(wrapped.tensors)}
    assert {"epoch", "device"} <= wrapped.metadata.keys()
    assert checkpoints.read(torch_files.theirs / "net.pth").notes == ()
    assert checkpoints.read(torch_files.theirs / "nocrc.pth").notes == ("the archive carries no CRCs",)


def test_one_branch_of_a_wrapped_file(torch_files):
    wrapped = checkpoints.read(torch_files.theirs / "wrapped.pth").under("state_dict.")
    assert told(wrapped) == torch_files.said(torch_files.theirs / "net.pth")


def test_keras_notes_say_that_the_optimizer_is_left_out(keras_files):
    for name in ("net.weights.h5", "net.keras"):
        (note,) = checkpoints.read(keras_files.theirs / name).notes
        assert note.endswith("variables of the optimizer")


def test_safetensors_gives_the_library_s_bytes(tmp_path):
    specs = every_spec(".safetensors")
    checkpoints.write(tmp_path / "ours.safetensors", None, outgoing(specs))
    arrays = {spec.name: array_of(spec, seed).view(named_dtype(spec.dtype)) for seed, spec in enumerate(specs)}
    assert (tmp_path / "ours.safetensors").read_bytes() == safetensors.numpy.save(arrays)
    assert told(checkpoints.read(tmp_path / "ours.safetensors")) == ours_told(".safetensors")


def named_dtype(name):
    return np.dtype(getattr(ml_dtypes, name, name))


def test_npz_both_ways(tmp_path):
    specs = [spec for spec in every_spec(".npz") if spec.shape]
    arrays = {spec.name: np.asfortranarray(array_of(spec, seed)) for seed, spec in enumerate(specs)}
    arrays["zero"] = np.array(3.5)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "theirs.npz", **arrays)
        read = checkpoints.read(tmp_path / "theirs.npz")
        assert told(read) == {
            name: [array.dtype.name, list(array.shape), digest(array)] for name, array in arrays.items()
        }
        assert all((tensor.extent is None) == (save is np.savez_compressed) for tensor in read.tensors.values())
    checkpoints.write(tmp_path / "ours.npz", None, outgoing(every_spec(".npz")))
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as loaded:
        found = {
            name: [loaded[name].dtype.name, list(loaded[name].shape), digest(loaded[name])] for name in loaded.files
        }
    assert found == ours_told(".npz")


@pytest.mark.parametrize("extension", [".pth", ".pdparams", ".npz"])
def test_payloads_lie_at_multiples_of_64(tmp_path, extension):
    checkpoints.write(tmp_path / f"a{extension}", None, outgoing(every_spec(extension)))
    assert all(
        tensor.extent.offset % 64 == 0 for tensor in checkpoints.read(tmp_path / f"a{extension}").tensors.values()
    )


def test_bfloat16_comes_back_from_paddle_under_its_name(tmp_path):
    spec = TensorSpec("x", (3,), "bfloat16")
    checkpoints.write(tmp_path / "a.pdparams", None, outgoing([spec]))
    read = checkpoints.read(tmp_path / "a.pdparams")
    assert read.specs == (spec,)
    assert STORAGE["bfloat16"] == np.uint16
    with pytest.raises(CheckpointError, match="as wide"):
        read.as_dtype({"x": "float32"})
