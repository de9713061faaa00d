"""Sets of shards that a kill left anywhere: the next run ends with one whole set, and removes nothing of another."""

import json

import numpy as np
import pytest
from conftest import outgoing
from test_sharded_output import SPECS, WANTED, broken_off, hidden, kept, shards, values, write

from xframe import checkpoints
from xframe.checkpoints import Outgoing
from xframe.errors import UsageError
from xframe.planning import Account
from xframe.tensors import TensorSpec

INDEX = "model.safetensors.index.json"
JOURNAL = f".{INDEX}.journal"


def zeros():
    return [Outgoing.whole(spec, lambda: np.zeros((40, 25), "f4")) for spec in SPECS]


def contents(folder):
    return {name: (folder / name).read_bytes() for name in shards(folder)}


def held(folder):
    return values(checkpoints.read(folder / INDEX))


@pytest.fixture
def killed(tmp_path):
    """As after a kill between the new index and the clean-up: both sets are there, and the journal of the new one."""
    write(tmp_path / "model.safetensors", zeros(), origin="old")
    old = contents(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xframe.checkpoints.journal.Journal.end", lambda _: None)
        write(tmp_path / "model.safetensors")
    assert not set(old) & set(contents(tmp_path))
    for name, content in old.items():
        (tmp_path / name).write_bytes(content)
    assert held(tmp_path) == WANTED
    assert len(shards(tmp_path)) == 6
    return tmp_path


def test_resumed_after_the_new_index_only_the_old_set_goes(killed):
    new = {tensor.extent.path.name for tensor in checkpoints.read(killed / INDEX).tensors.values()}
    before = {name: (killed / name).stat().st_mtime_ns for name in new}
    _, notes = write(killed / "model.safetensors", resume=True)
    assert notes == kept(3)
    assert {name: (killed / name).stat().st_mtime_ns for name in shards(killed)} == before
    assert (held(killed), hidden(killed)) == (WANTED, [])


def test_started_over_after_the_new_index_its_set_is_whole_until_the_next_is(killed):
    tensors = [*zeros()[:4], Outgoing(SPECS[4], fail)]  # other values: they must not go where the index points
    with pytest.raises(KeyboardInterrupt):
        write(killed / "model.safetensors", tensors)
    assert held(killed) == WANTED
    _, notes = write(killed / "model.safetensors")
    assert len(notes) == 1
    assert (held(killed), hidden(killed), len(shards(killed))) == (WANTED, [], 3)


def test_another_writing_after_the_new_index_removes_what_only_the_journal_names(killed):
    write(killed / "model.safetensors", zeros(), origin="third")
    assert (set(held(killed).values()), hidden(killed), len(shards(killed))) == ({bytes(4000)}, [], 3)


def test_an_old_set_survives_two_interrupted_writings_of_different_weights(tmp_path):
    write(tmp_path / "model.safetensors", zeros(), origin="old")
    broken_off(tmp_path / "model.safetensors", 4)
    assert len(shards(tmp_path)) == 5
    tensors = outgoing(SPECS)
    tensors[0] = Outgoing(SPECS[0], fail)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "model.safetensors", tensors, origin="third")
    assert set(held(tmp_path).values()) == {bytes(4000)}
    assert len(shards(tmp_path)) == 3


def fail():
    raise KeyboardInterrupt


def test_a_set_that_was_started_over_says_so_once(tmp_path):
    broken_off(tmp_path / "model.safetensors", 4)
    assert len(write(tmp_path / "model.safetensors")[1]) == 1


def test_a_shard_of_the_same_bytes_under_another_dtype_does_not_count(tmp_path):
    broken_off(tmp_path / "model.safetensors", 4)
    path = tmp_path / shards(tmp_path)[0]
    path.write_bytes(path.read_bytes().replace(b'"F32"', b'"I32"'))
    assert {tensor.spec.dtype for tensor in checkpoints.read(path).tensors.values()} == {"int32"}
    _, notes = write(tmp_path / "model.safetensors", resume=True)
    assert sum("written again" in note for note in notes) == 1
    assert checkpoints.read(tmp_path / INDEX).specs == tuple(SPECS)


def test_the_same_origin_with_other_tensors_is_another_writing(tmp_path):
    broken_off(tmp_path / "model.safetensors", 4)
    others = [TensorSpec(spec.name, spec.shape, "int32") for spec in SPECS]
    _, notes = write(tmp_path / "model.safetensors", outgoing(others), resume=True)
    assert notes == kept(0)
    assert checkpoints.read(tmp_path / INDEX).specs == tuple(others)


def test_the_index_is_sorted_by_name(tmp_path):
    specs = [TensorSpec(name, (3,), "float32") for name in ("b", "c", "a")]
    write(tmp_path / "model.safetensors", outgoing(specs))
    assert list(json.loads((tmp_path / INDEX).read_text())["weight_map"]) == ["a", "b", "c"]


def test_a_dtype_that_no_shard_can_hold_is_refused_before_the_first(tmp_path):
    specs = [*SPECS, TensorSpec("last", (3,), "complex128")]
    with pytest.raises(UsageError, match="complex128"):
        write(tmp_path / "model.safetensors", outgoing(specs))
    assert list(tmp_path.iterdir()) == []


def test_only_files_beside_it_that_are_named_as_shards_are_removed(tmp_path):
    folder = tmp_path / "here"
    (folder / "model-x").mkdir(parents=True)
    others = ["model-notes.txt", "model-x/../model-y.txt", "model-x/../../model-up.safetensors", "model.safetensors"]
    for name in others:
        (folder / name).write_bytes(b"mine")
    weight_map = dict(enumerate(others, 1))
    (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}))
    journal = {"identity": "x", "names": others, "done": {}, "old": others}
    (folder / JOURNAL).write_text(json.dumps(journal))
    write(folder / "model.safetensors")
    assert all((folder / name).read_bytes() == b"mine" for name in others)


@pytest.mark.parametrize(
    "change",
    [
        {"names": ["../model-up.safetensors", "model-b.safetensors", "model-c.safetensors"]},
        {"names": ["other.safetensors", "model-b.safetensors", "model-c.safetensors"], "done": {}},
        {"names": ["model-a.safetensors"], "done": {}},
        {"names": ["model-a.safetensors"] * 3, "done": {}},
        {"names": [1, 2, 3], "done": {}},
        {"done": {"elsewhere": {}}},
        {"done": {"model-00001-of-00003.safetensors": 3}},
        {"done": []}, {"old": ["../model-up.safetensors"]}, {"old": [None]}, {"old": {}},
    ],
)  # fmt: skip
def test_a_journal_of_this_writing_that_we_did_not_write_so_does_not_count(tmp_path, change):
    folder = tmp_path / "here"
    folder.mkdir()
    broken_off(folder / "model.safetensors", 4)
    journal = json.loads((folder / JOURNAL).read_text())
    (folder / JOURNAL).write_text(json.dumps(journal | change))
    (tmp_path / "model-up.safetensors").write_bytes(b"mine")
    _, notes = write(folder / "model.safetensors", resume=True)
    assert notes == kept(0)
    assert held(folder) == WANTED
    assert (tmp_path / "model-up.safetensors").read_bytes() == b"mine"
    assert {path.name for path in tmp_path.iterdir()} == {"here", "model-up.safetensors"}
    assert not (folder / "other.safetensors").exists()


def test_what_a_journal_calls_done_is_removed_only_if_it_is_one_of_its_shards(tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    broken_off(folder / "model.safetensors", 4)
    journal = json.loads((folder / JOURNAL).read_text())
    (folder / JOURNAL).write_text(json.dumps(journal | {"done": {"../mine": {}}}))
    (tmp_path / "mine").write_bytes(b"mine")
    write(folder / "model.safetensors")
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert held(folder) == WANTED


@pytest.mark.parametrize("change", [{"digests": 3}, {"page": 3}, {"page": {"overflowed": -1}}])
def test_an_entry_that_we_did_not_write_so_does_not_count(tmp_path, change):
    broken_off(tmp_path / "model.safetensors", 4, ledger=Account())
    journal = json.loads((tmp_path / JOURNAL).read_text())
    first, _ = journal["done"]
    journal["done"][first] |= change
    (tmp_path / JOURNAL).write_text(json.dumps(journal))
    _, notes = write(tmp_path / "model.safetensors", resume=True, ledger=Account())
    assert notes == [
        f"{first} was there already, but not as the journal says: written again",
        *kept(1),
    ]
    assert held(tmp_path) == WANTED
