"""Checkpoints and SavedModels as TensorFlow itself wrote them, read without it, bit for bit."""

import numpy as np
import pytest
from conftest import exchange, told

from xframe import checkpoints
from xframe.checkpoints.budget import Budget
from xframe.checkpoints.tensorflow import crc32c as sums
from xframe.errors import CheckpointError

BUNDLES = ["odd", "large", "sharded", "partitioned", "saver-0", "model-1", "both", "plain"]
FOLDERS = ["fresh", "export", "saved", "module"]


@pytest.fixture(scope="session")
def theirs(tmp_path_factory):
    return exchange(tmp_path_factory, "tensorflow", None)


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_is_read_as_tensorflow_wrote_it(theirs, name):
    path = theirs.theirs / f"{name}.index"
    checkpoint = checkpoints.read(path)
    assert told(checkpoint) == theirs.said(path)
    assert checkpoint.format == "tensorflow"
    joined = {"rows", "wide", "embedding"}
    assert all((tensor.extent is None) == (key in joined) for key, tensor in checkpoint.tensors.items())


@pytest.mark.parametrize("name", FOLDERS)
def test_a_saved_model_is_read_as_it_was_written(theirs, name):
    path = theirs.theirs / name
    checkpoint = checkpoints.read(path)
    assert told(checkpoint) == theirs.said(path)
    assert checkpoint.path == path / "variables" / "variables.index"


@pytest.mark.parametrize("name", ["model-1", "model-1.index", "model-1.data-00000-of-00001"])
def test_a_bundle_goes_by_its_prefix_and_by_each_of_its_files(theirs, name):
    checkpoint = checkpoints.read(theirs.theirs / name)
    assert checkpoint.path == theirs.theirs / "model-1.index"
    assert "conv1/kernel" in checkpoint.tensors


def test_the_second_data_file_goes_too(theirs):
    found = checkpoints.read(theirs.theirs / "sharded.data-00001-of-00002").tensors
    assert {tensor.extent.path.name[-14:] for tensor in found.values()} == {"00000-of-00002", "00001-of-00002"}


def test_what_is_said_of_names_and_of_what_was_left_out(theirs):
    model = checkpoints.read(theirs.theirs / "model-1")
    assert model.metadata == {"save_counter": "1"}
    assert model.notes[0].startswith("8 variables' own names, else paths; by its path conv1/kernel is ")
    assert model.notes[1:] == ("left out: 14 variables of the optimizer",)
    export = checkpoints.read(theirs.theirs / "fresh").notes
    assert export == (
        "the variables' own names; by its path conv1/kernel is variables/0",
        "left out: 8 variables that Keras' export stored twice",
    )
    module = checkpoints.read(theirs.theirs / "module").notes
    assert module == ("named by their paths among the objects that were saved",)
    assert checkpoints.read(theirs.theirs / "odd").notes == ("left out, not tensors: words (text)",)
    assert checkpoints.read(theirs.theirs / "saver-0").notes == ()


def test_an_optimizer_by_itself_is_read(theirs):
    found = checkpoints.read(theirs.theirs / "optimizer")
    assert "adam/conv1_kernel_momentum" in found.tensors
    assert not any("left out" in note for note in found.notes)


def test_slices_along_two_axes_are_refused(theirs):
    with pytest.raises(CheckpointError, match="grid: expected slices along one axis"):
        checkpoints.read(theirs.theirs / "grid")


def test_a_joined_tensor_is_held_to_the_budget_before_it_is_made(theirs):
    tensors = checkpoints.read(theirs.theirs / "partitioned", Budget(5_000)).tensors
    assert tensors["rows"].array().shape == (200, 3)
    with pytest.raises(CheckpointError, match="--max-memory"):
        tensors["wide"].array()


@pytest.mark.parametrize("name", ["large", "partitioned"])
def test_a_flipped_bit_in_a_data_file_is_found_when_its_tensor_is_used(theirs, tmp_path, name):
    data = bytearray((theirs.theirs / f"{name}.data-00000-of-00001").read_bytes())
    (tmp_path / f"{name}.index").write_bytes((theirs.theirs / f"{name}.index").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / f"{name}.data-00000-of-00001").write_bytes(data)
    tensors = checkpoints.read(tmp_path / name).tensors
    with pytest.raises(CheckpointError, match="CRC-32C"):
        [tensor.array() for tensor in tensors.values()]


def test_each_checksum_is_computed_once(theirs, monkeypatch):
    tensor = checkpoints.read(theirs.theirs / "large").tensors["large"]
    values = np.array(tensor.array())
    monkeypatch.setattr("xframe.checkpoints.tensorflow.bundle.crc32c", lambda _: 0)
    assert np.array_equal(tensor.renamed("other").array(), values)


def by_table(data):
    table = [sums._one_byte(value) for value in range(256)]
    state = 0xFFFFFFFF
    for value in data:
        state = table[(state ^ value) & 0xFF] ^ state >> 8
    return state ^ 0xFFFFFFFF


GAP, SPAN = 8 * sums._GAP, 8 * sums._SPAN


@pytest.mark.parametrize(
    "size", [0, 1, 3, 4, 5, 8, 31, 1000, SPAN, GAP + SPAN - 1, GAP + SPAN, GAP + SPAN + 9, 17 * GAP + SPAN + 3]
)
def test_crc32c_is_that_of_the_byte_by_byte_algorithm(size):
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    assert sums.crc32c(data) == by_table(data.tolist())


def test_crc32c_of_rfc_3720():
    assert sums.crc32c(np.zeros(32, np.uint8)) == 0x8A9136AA
    assert sums.crc32c(np.full(32, 255, np.uint8)) == 0x62A8AB43
    assert sums.crc32c(np.arange(32, dtype=np.uint8)) == 0x46DD794E
    assert sums.masked(0x46DD794E) == ((0x46DD794E >> 15 | 0x46DD794E << 17) + 0xA282EAD8) % 2**32
