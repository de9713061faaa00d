"""Indices of sharded checkpoints that lie, lead out of their folder, or ask for too much."""

import json
import os

import numpy as np
import pytest
import safetensors.numpy

from xframe import checkpoints
from xframe.checkpoints.budget import Budget
from xframe.errors import CheckpointError, UnsafeCheckpoint

MAP = {"a": "1.safetensors", "b": "2.safetensors"}


@pytest.fixture
def folder(tmp_path):
    """Two shards: ``a`` in the first, ``b`` in the second."""
    for name, shard in MAP.items():
        safetensors.numpy.save_file({name: np.arange(3, dtype="f4")}, tmp_path / shard, {"format": "np", "of": name})
    return tmp_path


def index(folder, content):
    path = folder / "model.safetensors.index.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def refuse(path, match=None, error=CheckpointError, budget=None):
    with pytest.raises(error, match=match) as raised:
        checkpoints.read(path, *(budget,) if budget else ())
    assert str(raised.value).isprintable()


def mapped(folder, weight_map, **others):
    return index(folder, {"weight_map": weight_map, **others})


def test_the_builders_build_what_is_read(folder):
    found = checkpoints.read(mapped(folder, MAP, metadata={"total_size": 24}))
    assert (found.format, list(found.tensors), found.notes) == ("sharded safetensors", ["a", "b"], ())
    assert found.metadata == {"format": "np", "total_size": "24"}
    assert found.tensors["b"].array().tolist() == [0, 1, 2]


def test_the_name_of_the_index_means_nothing(folder):
    path = mapped(folder, MAP)
    path.rename(folder / "a.pth")
    assert list(checkpoints.read(folder / "a.pth").tensors) == ["a", "b"]


def test_what_an_index_looks_like(folder):
    path = index(folder, b"\n {\n" + json.dumps({"metadata": {"x": "y" * 9000}, "weight_map": MAP})[1:].encode())
    assert list(checkpoints.read(path).tensors) == ["a", "b"]
    path = index(folder, json.dumps({"version": 2, "weight_map": MAP}).encode())
    assert checkpoints.read(path).notes == ("left out of the index: version",)


@pytest.mark.parametrize(
    "content",
    [
        b"[]", b"{}", b'{"weights": {}}', b'"weight_map"', b'{"layers": {"metadata": 1}}',
        b"\xef\xbb\xbf" + b'{"metadata": {}}',
    ],
)  # fmt: skip
def test_json_that_is_no_index(folder, content):
    refuse(index(folder, content), "unknown content")


@pytest.mark.parametrize(
    "content",
    [
        {"weight_map": {}}, {"weight_map": []}, {"weight_map": "1.safetensors"}, {"metadata": {}},
        {"metadata": [], "weight_map": MAP}, {"metadata": "", "weight_map": MAP}, {"weight_map": None},
        b'{"weight_map": {"a": "1.safetensors"}', b'{"weight_map": {"a": "1.safetensors"}}x',
        b'{"weight_map": {"a": "1.safetensors"}}\0', b'{"metadata": \xff}', b'{"metadata": ' + b"[" * 100_000,
        b'{"metadata": {"x": ' + b"9" * 5000 + b'}, "weight_map": {"a": "1.safetensors"}}',
        b'{"weight_map": {"a": "1.safetensors", "a": "1.safetensors"}}',
        b'{"weight_map": {"a": "2.safetensors"}, "weight_map": {"a": "1.safetensors"}}',
        b'{"metadata": {"x": 1, "x": 1}, "weight_map": {"a": "1.safetensors"}}',
    ],
)  # fmt: skip
def test_broken_indices(folder, content):
    refuse(index(folder, content), "index")


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../1.safetensors", "/etc/passwd", "x/../1.safetensors", "sub/1.safetensors", "./1.safetensors",
        "..\\1.safetensors", "1.safetensors\0", "1.safetensors\n", "\ud800", "x" * 256, "é" * 128, None, 1,
        ["1.safetensors"], {"1.safetensors": 1}, True, "1.safetensors\x1b[31m", "\u202e1.safetensors",
    ],
)  # fmt: skip
def test_names_that_lead_out(folder, name):
    (folder / "sub").mkdir()
    (folder / "sub" / "1.safetensors").write_bytes((folder / "1.safetensors").read_bytes())
    refuse(mapped(folder, {"a": name}), "shards in the folder of the index")


def test_shards_that_are_no_files(folder):
    shard = folder / "1.safetensors"
    shard.unlink()
    refuse(mapped(folder, MAP), r"1\.safetensors: .*nothing of that name")
    shard.symlink_to(folder / "gone")
    refuse(mapped(folder, MAP), r"1\.safetensors: .*nothing of that name")
    shard.unlink()
    os.mkfifo(shard)
    refuse(mapped(folder, MAP), r"1\.safetensors: .*pipe")
    shard.unlink()
    shard.symlink_to("/dev/zero")
    refuse(mapped(folder, MAP), r"1\.safetensors: .*device")
    shard.unlink()
    shard.mkdir()
    refuse(mapped(folder, MAP), r"1\.safetensors: .*folder")
    shard.rmdir()
    shard.symlink_to(shard)
    refuse(mapped(folder, MAP))


def test_a_link_to_a_file_is_a_shard(folder):
    (folder / "1.safetensors").rename(folder / "blob")
    (folder / "1.safetensors").symlink_to("blob")
    assert list(checkpoints.read(mapped(folder, MAP)).tensors) == ["a", "b"]


def test_an_index_within_an_index(folder):
    inner = mapped(folder, MAP)
    inner.rename(folder / "inner.json")
    refuse(mapped(folder, {"a": "inner.json", "b": "inner.json"}), r"inner\.json: .*an index within an index")
    refuse(mapped(folder, {"a": "model.safetensors.index.json"}), "an index within an index")


def test_index_and_shards_that_disagree(folder):
    refuse(mapped(folder, {"a": "1.safetensors"} | {"c": "2.safetensors"}), r"2\.safetensors: .*not c\.")
    refuse(mapped(folder, {"a": "2.safetensors", "b": "1.safetensors"}), r"2\.safetensors: .*not a\.")
    safetensors.numpy.save_file({"b": np.ones(3), "more": np.ones(1)}, folder / "2.safetensors")
    refuse(mapped(folder, MAP), r"2\.safetensors: .*also more\.")
    safetensors.numpy.save_file({"b": np.ones(3), "a": np.ones(3)}, folder / "2.safetensors")
    refuse(mapped(folder, MAP), r"2\.safetensors: .*also a\.")


def test_many_that_are_missing_are_named_in_part(folder):
    many = {f"x{number}": "1.safetensors" for number in range(10)}
    refuse(mapped(folder, MAP | many), r"not x0, x1, x2, x3, x4, x5, x6, x7 and 2 more\.")


def test_one_file_under_two_names(folder):
    (folder / "2.safetensors").unlink()
    (folder / "2.safetensors").symlink_to("1.safetensors")
    refuse(mapped(folder, MAP), r"2\.safetensors: .*not b\.")
    refuse(mapped(folder, MAP | {"b": "1.safetensors"}), r"1\.safetensors: .*not b\.")


def test_shards_of_two_formats(folder):
    np.savez(folder / "2.npz", b=np.ones(3))
    refuse(mapped(folder, MAP | {"b": "2.npz"}), "shards of one format; found npz, safetensors")


def test_a_shard_that_asks_for_code(folder):
    (folder / "1.safetensors").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    refuse(mapped(folder, MAP), r"1\.safetensors.*os\.system", UnsafeCheckpoint)


def test_a_total_size_that_disagrees_is_a_note(folder):
    for said, note in ((25, "25"), (24.5, "24.5"), (10**40, f"{10**40}"), (-1, "-1")):
        notes = checkpoints.read(mapped(folder, MAP, metadata={"total_size": said})).notes
        assert notes == (f"the index says {note} bytes in all, the tensors take 24",)
    for said in (24, 24.0, "much", None, [24]):
        assert checkpoints.read(mapped(folder, MAP, metadata={"total_size": said})).notes == ()


def test_metadata_in_words(folder):
    deep = json.loads("[" * 500 + "]" * 500)
    metadata = {"deep": deep, "dict": {"x": 1}, "long": "x" * 200, "bell\x07": "\x1b[31m", "none": None}
    found = checkpoints.read(mapped(folder, MAP, metadata=metadata)).metadata
    assert (found["deep"], found["dict"], found["none"]) == ("1 entries", "1 entries", "None")
    assert all(text.isprintable() and len(text) < 100 for item in found.items() for text in item)


def test_notes_of_shards(folder):
    first, second = ({"uint": np.ones(1, dtype)} for dtype in ("u2", "u2"))
    for number, shard in enumerate((first, second), 1):
        np.savez(folder / f"{number}.npz", **{f"x{number}": shard["uint"]})
    (folder / "1.npz").rename(folder / "1.pth")
    found = checkpoints.read(mapped(folder, {"x1": "1.pth", "x2": "2.npz"}))
    assert found.notes == ("1.pth: named as torch, but its content is npz",)
    (folder / "2.npz").rename(folder / "2.pth")
    found = checkpoints.read(mapped(folder, {"x1": "1.pth", "x2": "2.pth"}))
    assert found.notes == ("named as torch, but its content is npz",)


def test_the_budget(folder):
    path = mapped(folder, MAP, metadata={"x": "y" * 1000})
    needed = 32 * path.stat().st_size
    refuse(path, r"index\.json: .*to unpack at once", budget=Budget(needed - 1))
    assert checkpoints.read(path, Budget(needed)).tensors
    with (folder / "1.npz").open("wb") as file:
        np.savez_compressed(file, a=np.zeros(100_000))
    refuse(mapped(folder, {"a": "1.npz"}), r"1\.npz: .*to unpack at once", budget=Budget(10_000))


def test_an_index_of_over_100_mb(folder):
    path = mapped(folder, MAP)
    os.truncate(path, 100_000_001)
    refuse(path, "at most 100000000 bytes")


def test_an_index_that_is_as_large_as_its_shards_may_expand(folder):
    """The bound on expanded tensors is one of every shard: an index is small, whatever its shards hold."""
    safetensors.numpy.save_file({"a": np.zeros(100_000)}, folder / "1.safetensors")
    assert checkpoints.read(mapped(folder, MAP)).nbytes > 800_000


def test_cut_off_anywhere(folder):
    content = json.dumps({"metadata": {"total_size": 24}, "weight_map": MAP}, indent=2).encode()
    for length in range(len(content)):
        refuse(index(folder, content[:length]))
