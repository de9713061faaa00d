"""Shards that xframe writes: whole, of bounded size, read back alike; an interrupted writing goes on or starts over."""

import json

import numpy as np
import pytest
from conftest import array_of, outgoing
from safetensors.numpy import load_file

from xframe import checkpoints
from xframe.checkpoints import Outgoing
from xframe.checkpoints.shards import Sharding, write_shards
from xframe.digests import digest
from xframe.errors import UsageError
from xframe.tensors import TensorSpec

SPECS = [TensorSpec(f"layer.{index}.weight", (40, 25), "float32") for index in range(5)]  # 4,000 bytes each


def sharding(largest=8000, origin="a file", **options):
    return Sharding(largest=largest, origin=origin, **options)


def write(path, tensors=None, told=None, **options):
    return write_shards(path, tensors or outgoing(SPECS), sharding(**options), tell=told or (lambda _: None))


def shards(folder):
    return sorted(path.name for path in folder.glob("model*-of-*.safetensors"))


def hidden(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def broken_off(path, after, **options):
    """A writing that fails in the tensor with that number."""

    def fail():
        raise KeyboardInterrupt

    tensors = outgoing(SPECS)
    tensors[after] = Outgoing.whole(SPECS[after], fail)
    with pytest.raises(KeyboardInterrupt):
        write(path, tensors, **options)


def kept(count, of=3):
    """What a resumed writing says of shards that it did not write."""
    if not count:
        return ["--resume found no whole shard of an interrupted writing like this one: all were written"]
    return [f"{count} of {of} shards had been written before, and have the right digests"]


def values(checkpoint):
    return {name: tensor.array().tobytes() for name, tensor in checkpoint.tensors.items()}


WANTED = {spec.name: array_of(spec, seed).tobytes() for seed, spec in enumerate(SPECS)}


def test_names_sizes_and_index_are_those_that_the_hub_reads(tmp_path):
    poured, notes = write(tmp_path / "model.safetensors")
    assert shards(tmp_path) == [f"model-0000{index}-of-00003.safetensors" for index in (1, 2, 3)]
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": 20_000}
    for name, shard in index["weight_map"].items():
        assert load_file(tmp_path / shard)[name].tobytes() == WANTED[name]
    assert {tensor.spec.name: tensor.digest for tensor in poured} == {
        spec.name: digest(array_of(spec, seed)) for seed, spec in enumerate(SPECS)
    }
    assert (notes, hidden(tmp_path)) == ([], [])


def test_what_was_written_is_read_back(tmp_path):
    write(tmp_path / "model.safetensors.index.json")
    assert values(checkpoints.read(tmp_path / "model.safetensors.index.json")) == WANTED


def test_a_tensor_larger_than_a_shard_gets_one_of_its_own(tmp_path):
    write(tmp_path / "model.safetensors", largest=100)
    assert len(shards(tmp_path)) == 5


def test_another_format_is_refused(tmp_path):
    with pytest.raises(UsageError, match="the one format that is written in shards"):
        write(tmp_path / "model.pth")


@pytest.mark.parametrize("after", [1, 2, 4])
def test_an_interrupted_writing_goes_on(tmp_path, after):
    broken_off(tmp_path / "model.safetensors", after)
    assert not (tmp_path / "model.safetensors.index.json").exists()
    whole = shards(tmp_path)
    assert len(whole) == after // 2
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in whole}
    moved = []
    _, notes = write(tmp_path / "model.safetensors", told=moved.append, resume=True)
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in whole} == before
    assert notes == kept(len(whole))
    assert sum(moved) == 20_000
    assert values(checkpoints.read(tmp_path / "model.safetensors.index.json")) == WANTED
    assert hidden(tmp_path) == []


def test_a_shard_that_was_changed_meanwhile_is_written_again(tmp_path):
    broken_off(tmp_path / "model.safetensors", 4)
    path = tmp_path / shards(tmp_path)[0]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    (tmp_path / shards(tmp_path)[1]).unlink()
    _, notes = write(tmp_path / "model.safetensors", resume=True)
    assert len([note for note in notes if "written again" in note]) == 2
    assert values(checkpoints.read(tmp_path / "model.safetensors.index.json")) == WANTED


def test_without_resume_it_starts_over(tmp_path):
    broken_off(tmp_path / "model.safetensors", 4)
    first = tmp_path / shards(tmp_path)[0]
    first.write_bytes(b"changed")
    _, notes = write(tmp_path / "model.safetensors")
    assert "started over" in notes[0]
    assert values(checkpoints.read(tmp_path / "model.safetensors.index.json")) == WANTED
    assert len(shards(tmp_path)) == 3


@pytest.mark.parametrize("change", [{"origin": "another file"}, {"largest": 4000}])
def test_the_leavings_of_another_writing_do_not_count(tmp_path, change):
    broken_off(tmp_path / "model.safetensors", 4)
    _, notes = write(tmp_path / "model.safetensors", resume=True, **change)
    assert notes == kept(0)
    assert values(checkpoints.read(tmp_path / "model.safetensors.index.json")) == WANTED
    assert len(shards(tmp_path)) == (5 if "largest" in change else 3)


def test_the_old_set_is_whole_until_the_new_one_is(tmp_path):
    old = [Outgoing.whole(spec, lambda: np.zeros((40, 25), "f4")) for spec in SPECS]
    write(tmp_path / "model.safetensors", old, origin="old")
    before = shards(tmp_path)
    broken_off(tmp_path / "model.safetensors", 4)
    read = checkpoints.read(tmp_path / "model.safetensors.index.json")
    assert all(not tensor.array().any() for tensor in read.tensors.values())
    write(tmp_path / "model.safetensors", resume=True)
    assert values(checkpoints.read(tmp_path / "model.safetensors.index.json")) == WANTED
    assert set(shards(tmp_path)).isdisjoint(before)
    assert len(shards(tmp_path)) == 3


def test_only_shards_of_its_own_name_are_ever_removed(tmp_path):
    """An index, or a journal, is a file that anyone may have written."""
    (tmp_path / "other.safetensors").write_bytes(b"mine")
    (tmp_path / "model-x.safetensors").mkdir()
    said = {"a": "other.safetensors", "b": "../model-up.safetensors", "c": 3}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": said}))
    (tmp_path.parent / "model-up.safetensors").write_bytes(b"mine")
    journal = tmp_path / ".model.safetensors.index.json.journal"
    journal.write_text(
        json.dumps(
            {
                "identity": "x",
                "names": ["other.safetensors"],
                "done": {"other.safetensors": {}},
                "old": ["other.safetensors"],
            }
        )
    )
    write(tmp_path / "model.safetensors")
    assert (tmp_path / "other.safetensors").read_bytes() == b"mine"
    assert (tmp_path.parent / "model-up.safetensors").read_bytes() == b"mine"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"identity": 1}', '{"identity": "", "names": [1], "done": {}}'])
def test_a_journal_that_is_none_is_no_matter(tmp_path, content):
    (tmp_path / ".model.safetensors.index.json.journal").write_text(content)
    write(tmp_path / "model.safetensors", resume=True)
    assert values(checkpoints.read(tmp_path / "model.safetensors.index.json")) == WANTED
