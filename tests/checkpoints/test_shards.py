"""Sharded checkpoints of the real libraries, under indices as the model hubs' libraries write them."""

import json
import shutil

import pytest
from conftest import run, told

from xframe import checkpoints
from xframe.errors import CheckpointError

INDICES = [
    ("model.safetensors.index.json", "sharded safetensors"),
    ("pytorch_model.bin.index.json", "sharded torch"),
    ("legacy.bin.index.json", "sharded torch (legacy)"),
]


@pytest.fixture(scope="module")
def paddle_shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    run("paddle_shards", folder)
    return folder / "model_state.pdparams.index.json"


@pytest.fixture
def copied(torch_files, tmp_path):
    """The index of the shards in PyTorch's zip format, in a folder of its own."""
    shutil.copytree(torch_files.theirs / "shards", tmp_path / "shards")
    return tmp_path / "shards" / "pytorch_model.bin.index.json"


@pytest.mark.parametrize(("name", "form"), INDICES)
def test_shards_are_read_as_torch_wrote_them(torch_files, name, form):
    path = torch_files.theirs / "shards" / name
    checkpoint = checkpoints.read(path)
    assert told(checkpoint) == torch_files.said(path)
    assert (checkpoint.format, checkpoint.notes) == (form, ())
    assert list(checkpoint.tensors) == list(json.loads(path.read_text())["weight_map"])
    assert all(tensor.extent.path.parent == path.parent for tensor in checkpoint.tensors.values())
    assert checkpoint.metadata["total_size"] == str(checkpoint.nbytes)


def test_metadata_of_all_shards_is_the_checkpoint_s(torch_files):
    metadata = checkpoints.read(torch_files.theirs / "shards" / "model.safetensors.index.json").metadata
    assert metadata["format"] == "pt"


def test_shards_are_read_as_paddle_wrote_them(paddle_shards):
    checkpoint = checkpoints.read(paddle_shards)
    said = json.loads(paddle_shards.with_name(f"{paddle_shards.name}.json").read_text())
    assert told(checkpoint) == said
    assert checkpoint.format == "sharded paddle"
    assert not [note for note in checkpoint.notes if "of-0000" in note]


def test_a_missing_shard_is_named(copied):
    (copied.parent / "pytorch_model-00002-of-00002.bin").unlink()
    with pytest.raises(CheckpointError, match=r"/pytorch_model-00002-of-00002\.bin: .* nothing of that name"):
        checkpoints.read(copied)


def test_a_shard_that_is_cut_off_is_named(copied):
    shard = copied.parent / "pytorch_model-00001-of-00002.bin"
    whole = shard.read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        shard.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"^/.*/pytorch_model-00001-of-00002\.bin: "):
            checkpoints.read(copied)


def test_a_flipped_byte_in_a_shard(copied):
    checkpoint = checkpoints.read(copied)
    extent = checkpoint.tensors["layers.4.weight"].extent
    damaged = bytearray(extent.path.read_bytes())
    damaged[extent.offset] ^= 1
    extent.path.write_bytes(damaged)
    with pytest.raises(CheckpointError, match=r"00002-of-00002\.bin: .*CRC"):
        checkpoints.read(copied).tensors["layers.4.weight"].array()


def test_links_into_a_cache_are_followed(copied, torch_files):
    """A hub's cache is a folder of links to files that are named by their digests."""
    cache = copied.parent.parent / "cache"
    (cache / "blobs").mkdir(parents=True)
    (cache / "snapshot").mkdir()
    for number, path in enumerate(sorted(copied.parent.glob("pytorch_model*"))):
        path.rename(cache / "blobs" / str(number))
        (cache / "snapshot" / path.name).symlink_to(f"../blobs/{number}")
    checkpoint = checkpoints.read(cache / "snapshot" / copied.name)
    assert told(checkpoint) == torch_files.said(torch_files.theirs / "shards" / copied.name)


def test_another_revision_s_index(copied):
    index = json.loads(copied.read_text())
    index["weight_map"]["layers.0.weight"] = "pytorch_model-00002-of-00002.bin"
    copied.write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"00002-of-00002\.bin: .*not layers\.0\.weight.* one revision"):
        checkpoints.read(copied)
