"""What is read is never written over: the source would be gone, and a second run would turn its matrices once more."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from xframe import checkpoints
from xframe.errors import UsageError
from xframe.files import check_apart
from xframe.proving.optimizers.spec import parse_optimizer
from xframe.workflows.convert import ConvertOptions, convert
from xframe.workflows.port_optimizer import OptimizerOptions

MODEL = "lenet5_maxavg"
DIGITS = Path("fixtures/lenet5_maxavg_digits.pdparams").resolve()
READ = "expected a file of its own to write; found the one that is read"


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A copy, in the working directory."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(DIGITS, "source.pdparams"))


def contents():
    return {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}


def refuse(weights, out, here="paddle", there="torch", **options):
    before = contents()
    with pytest.raises(UsageError, match=READ):
        convert(MODEL, here, there, Path(weights), Path(out), options=ConvertOptions(**options))
    assert contents() == before


@pytest.mark.parametrize("out", ["source.pdparams", "./source.pdparams", "below/../source.pdparams"])
def test_a_conversion_onto_its_own_source(source, out):
    Path("below").mkdir()
    refuse(source, out)


def test_through_links(source):
    Path("link.pdparams").symlink_to(source)
    refuse(source, "link.pdparams")
    refuse("link.pdparams", source)
    refuse("link.pdparams", "link.pdparams")


def test_a_link_to_itself_is_written_over(source):
    Path("loop.pth").symlink_to("loop.pth")
    assert convert(MODEL, "paddle", "torch", source, Path("loop.pth")).out.is_file()


def test_another_name_of_the_same_bytes_is_no_matter(source):
    """A hard link: the new file takes one name, the other keeps the old one."""
    os.link(source, "other.pdparams")
    convert(MODEL, "paddle", "torch", source, Path("other.pdparams"))
    assert source.read_bytes() == DIGITS.read_bytes() != Path("other.pdparams").read_bytes()


@pytest.fixture
def shards(source):
    """The index of a set of shards."""
    options = ConvertOptions(shard_size=150_000)
    return convert(MODEL, "paddle", "torch", source, Path("set.safetensors"), options=options).out


def test_an_index_and_its_shards(shards):
    part = "set-00002-of-00003.safetensors"
    refuse(shards, "set.safetensors", "torch", "paddle", shard_size=150_000)
    refuse(shards, part, "torch", "paddle")


def test_a_shard_that_has_to_be_unpacked(source):
    """No tensor says in which file it lies."""
    held = checkpoints.read(source).tensors
    np.savez_compressed("part.npz", **{name: tensor.array() for name, tensor in held.items()})
    Path("whole.json").write_text(json.dumps({"weight_map": dict.fromkeys(held, "part.npz")}))
    assert all(tensor.extent is None for tensor in checkpoints.read("whole.json").tensors.values())
    refuse("whole.json", "part.npz")
    refuse("part.npz", "part.npz")


def test_a_shard_that_the_older_set_names(shards):
    """A new set would remove it."""
    whole = Path("set-00001-of-00003.safetensors")
    convert(MODEL, "paddle", "torch", DIGITS, whole)
    refuse(whole, "set.safetensors", "torch", "paddle", shard_size=150_000)
    assert convert(MODEL, "torch", "paddle", whole, Path("new.safetensors"), options=ConvertOptions(shard_size=150_000))


def test_what_stands_beside_an_index():
    beside = Path("model.data-00000-of-00001")
    with pytest.raises(UsageError, match=f"{beside}: {READ}"):
        check_apart([beside], [Path("model.index")])
    check_apart([Path("model.data-00000-of-00002"), beside], [Path("model.npz"), Path("other.index"), None])
    check_apart([None], [beside])


def test_a_port_onto_its_own_weights(source, port):
    before = contents()
    with pytest.raises(UsageError, match=READ):
        port(MODEL, "paddle", "torch", weights=source, out=source)
    convert(MODEL, "paddle", "torch", source, Path(f"{MODEL}.pth"))
    with pytest.raises(UsageError, match=f"{MODEL}.pth: {READ}"):
        port(MODEL, "torch", "torch", weights=Path(f"{MODEL}.pth"), out=None)
    Path(f"{MODEL}.pth").unlink()
    assert contents() == before


@pytest.mark.parametrize(("state", "out", "found"), [
    ("state.keras", "state.keras", "the one that is read"),
    (None, "out.keras", "another that is written"),
])  # fmt: skip
def test_a_port_with_an_optimizer_s_state(source, port, state, out, found):
    asked = OptimizerOptions(optimizer=parse_optimizer("adam"), state=state and Path(state), out=Path(out))
    with pytest.raises(UsageError, match=f"{out}: expected a file of its own to write; found {found}"):
        port(MODEL, "paddle", "keras", weights=source, optimizer=asked, out=Path("out.keras"))
    assert set(contents()) == {source.name}
