"""Everything that torch.save writes in state dicts, in zip files and legacy ones, bit for bit as PyTorch holds it."""

import numpy as np
import pytest
from conftest import told

from xframe import checkpoints
from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import Glance
from xframe.checkpoints.torch.legacy import TorchLegacy
from xframe.errors import CheckpointError, UnsafeCheckpoint

BOTH = ["net.pth", "none.pth", "odd.pt", "views2.pth", "views3.pth", "training2.pth", "training3.pth",
        "attributes.pth", "v1.pth"]  # fmt: skip
ZIPPED = [*BOTH, "views4.pth", "views5.pth", "training4.pth", "training5.pth", "skipped.pth"]


@pytest.mark.parametrize(
    ("folder", "name"), [*(("kinds", name) for name in ZIPPED), *(("legacy", name) for name in BOTH)]
)
def test_file_is_read_as_torch_wrote_it(torch_files, folder, name):
    path = torch_files.theirs / folder / name
    checkpoint = checkpoints.read(path)
    assert told(checkpoint) == torch_files.said(path)
    assert checkpoint.format == {"kinds": "torch", "legacy": "torch (legacy)"}[folder]
    assert all(tensor.extent is not None for tensor in checkpoint.tensors.values())
    assert not any("named as" in note for note in checkpoint.notes)


@pytest.mark.parametrize("protocol", [4, 5])
def test_legacy_file_in_frames(torch_files, protocol):
    path = torch_files.theirs / "legacy" / f"views{protocol}.framed"
    content = path.read_bytes()
    assert TorchLegacy().matches(Glance(content[:4096], content[-64:], len(content)))
    assert told(TorchLegacy().read(path, Budget())) == torch_files.said(path)


@pytest.mark.parametrize("folder", ["kinds", "legacy"])
def test_ties_and_views_stay_in_one_storage(torch_files, folder):
    tensors = checkpoints.read(torch_files.theirs / folder / "views2.pth").tensors
    places = {name: tensor.extent for name, tensor in tensors.items()}
    assert places["tied"] == places["base"]
    assert places["rows"].offset == places["base"].offset + 6 * 4
    assert places["transposed"].offset == places["base"].offset
    assert places["transposed"].strides == (4, 24)
    assert places["expanded"].strides[-1] == 0


@pytest.mark.parametrize("folder", ["kinds", "legacy"])
def test_what_is_no_tensor_is_told_in_words(torch_files, folder):
    checkpoint = checkpoints.read(torch_files.theirs / folder / "training2.pth")
    wanted = {
        "epoch": "3", "best": "0.5", "none": "None", "bytes": "3 bytes", "device": "cuda:1", "dtype": "torch.bfloat16",
        "half": "torch.complex32", "size": "(2, 3)", "complex": "1j", "set": "a set of 2", "bytearray": "2 bytes",
        "layout": "torch.strided", "storage": "a storage of 12 bytes", "schedule.milestones.4": "1", "list.1.1": "7",
        "optimizer.param_groups.0.params": "[0, 1, 2, 3, 4, 5]", "long": f"{2**70}",
        "numpy": "3.0", "array": "an array, int64[3]",
    }  # fmt: skip
    assert wanted.items() <= checkpoint.metadata.items()
    assert checkpoint.branches["optimizer.state.0"] == 4
    assert checkpoint.tensors["optimizer.state.0.step"].array() == np.float32(1)


@pytest.mark.parametrize("folder", ["kinds", "legacy"])
def test_attributes_are_left_out_and_a_note_says_so(torch_files, folder):
    (note,) = checkpoints.read(torch_files.theirs / folder / "attributes.pth").notes
    assert note == "left out, Python attributes of tensors: parameter (tag), tensor (colour)"


def test_storages_without_a_crc_are_noted(torch_files):
    assert checkpoints.read(torch_files.theirs / "kinds" / "skipped.pth").notes == ("storages without a CRC: 1",)


@pytest.mark.parametrize(
    ("name", "attempt"),
    [
        ("sparse.pth", "to_dense"), ("csr.pth", "to_dense"), ("legacy_sparse.pth", "to_dense"),
        ("quantised.pth", "dequantize"), ("channels.pth", "dequantize"), ("nested.pth", "its parts"),
        ("jagged.pth", "its parts"), ("conjugate.pth", "resolve_conj"), ("negative.pth", "resolve_neg"),
        ("meta.pth", "has values"), ("complex32.pth", "torch.complex64"), ("float8_e4m3fnuz.pth", "torch.float32"),
        ("float8_e5m2fnuz.pth", "torch.float32"), ("float8_e8m0fnu.pth", "torch.float32"),
        ("float4_e2m1fn_x2.pth", "torch.uint8"), ("bits8.pth", "torch.uint8"), ("script.pt", "torch.jit.load"),
        ("export.pt2", "torch.save its state_dict"), ("nameless.pth", "state_dict"),
    ],
)  # fmt: skip
def test_refused_with_what_to_try(torch_files, name, attempt):
    with pytest.raises(CheckpointError, match=f"Try: .*{attempt}") as raised:
        checkpoints.read(torch_files.theirs / "refused" / name)
    assert not isinstance(raised.value, UnsafeCheckpoint)


def test_a_tensor_by_itself_is_called_so(torch_files):
    with pytest.raises(CheckpointError, match=r"found a tensor, float32\[2\], by itself\. Try: save the model's state"):
        checkpoints.read(torch_files.theirs / "refused" / "nameless.pth")


@pytest.mark.parametrize("name", ["module.pth", "legacy.pth", "own.pth"])
def test_classes_are_unsafe(torch_files, name):
    with pytest.raises(UnsafeCheckpoint, match=r"nothing was imported or called. Try: .* torch.save its state_dict"):
        checkpoints.read(torch_files.theirs / "refused" / name)
