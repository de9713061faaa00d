"""Goldens on disk: what is kept, what a stale one says, and what a damaged one does not do."""

import json
import pickle
import zipfile

import numpy as np
import pytest
from planted import Sheet

import xframe
from xframe.errors import CheckpointError
from xframe.testing.golden_file import read_golden, write_golden


@pytest.fixture
def recorded(failure, small, tmp_path):
    """A golden of the small network in torch, and where it stands."""
    told = []
    line = xframe.golden(small(Sheet("torch", "paddle")), gradients=True)
    assert not failure(line, "torch", told, record="")
    path = tmp_path / "goldens" / "small.torch.npz"
    assert told == [f"recorded small.torch.npz  ({path.stat().st_size / 1000:.1f} kB: 8 layer calls of {by(path)})"]
    return path


def by(path):
    return read_golden(path).by


def test_what_is_kept(recorded):
    kept = read_golden(recorded)
    assert (kept.model, kept.column, kept.seed, kept.weights, kept.input) == ("small", "torch", 0, None, None)
    layers = "conv1 bn1 conv2 bn2 conv3 dense1 square dense2"
    assert [call.layer for call in kept.calls] == layers.split()
    assert [output.shape for output in kept.outputs] == [(2, 5)]
    assert kept.tensors["conv1.weight"].spec.shape == (4, 1, 3, 3)
    assert kept.attributes["bn1"]["epsilon"] == 1e-5
    assert kept.gradients.keys() == {"", *(n for n in kept.tensors if n.endswith((".weight", ".bias")))}
    assert recorded.stat().st_size < 5000
    assert [path.name for path in recorded.parent.iterdir()] == [recorded.name]


def test_written_and_read_back(recorded, tmp_path):
    kept, again = read_golden(recorded), tmp_path / "again.npz"
    write_golden(kept, again)
    other = read_golden(again)
    assert (other.tensors, other.concerns, other.versions) == (kept.tensors, kept.concerns, kept.versions)
    pairs = zip((*kept.calls, *kept.outputs), (*other.calls, *other.outputs), strict=True)
    arrays = [(one.sketch, two.sketch) if hasattr(one, "sketch") else (one.values, two.values) for one, two in pairs]
    assert all(np.array_equal(*pair) for pair in arrays)


# ── what is another than was recorded ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "change"),
    [
        ("recorded with the seed 0, and the test has 7", {"seed": 7}),
        ("gradients were asked for, and it has none", {"gradients": True}),
    ],
)
def test_asked_for_otherwise(failure, small, said, change):
    table = small(Sheet("torch", "paddle"))
    assert not failure(xframe.golden(table), "torch", record="")
    found = failure(xframe.golden(table, **change), "paddle")
    assert found.startswith("goldens/small.torch.npz is no golden of this test: ")
    assert said in found
    assert found.endswith("Try: record it anew with pytest --xframe-record, where torch can run.")


def test_table_that_changed(failure, small, recorded):
    sheet = Sheet("torch", "paddle")
    sheet.rows["square"]["gain"] = 2.0
    assert "the table's column torch has changed since, at square." in failure(xframe.golden(small(sheet)), "paddle")
    sheet = Sheet("torch", "paddle")
    sheet.reads = ("input = [1, 16, 16]", 'output_axes = "sequence"')
    said = failure(xframe.golden(small(sheet)), "paddle")
    assert "the table's input, or the column's arguments, have changed" in said


def rewritten(path, **changes):
    """The golden with parts of its description replaced, and everything else as it should be."""
    held = dict(np.load(path))
    said = json.loads(held["description"].tobytes()) | changes
    held["description"] = np.frombuffer(json.dumps(said).encode(), np.uint8)
    np.savez_compressed(path, **held)


def test_numpy_that_draws_otherwise(failure, small, recorded):
    said = json.loads(dict(np.load(recorded))["description"].tobytes())
    rewritten(recorded, tensors=[[*said["tensors"][0][:3], "0" * 32], *said["tensors"][1:]])
    found = failure(xframe.golden(small(Sheet("torch", "paddle"))), "paddle")
    assert f"draws another '{said['tensors'][0][0]}' from the seed 0 than numpy {np.__version__} did" in found
    rewritten(recorded, tensors=said["tensors"], probe="0" * 32)
    assert "draws another input from the seed 0" in failure(xframe.golden("small.toml"), "paddle")


def test_none_there(failure, small):
    table = small(Sheet("torch", "paddle"))
    assert "no golden goldens/small.COLUMN.npz beside the test file" in failure(xframe.golden(table), "torch")
    assert "where paddle is installed" in failure(xframe.golden(table, record="paddle"), "torch")


def test_every_golden_is_held(failure, small):
    """Two columns recorded under one name: a wrong paddle agrees with itself, and torch does not agree with it."""
    line = xframe.golden(small(Sheet("torch", "paddle")))
    assert not failure(line, "torch", record="")
    small(Sheet("torch", "paddle", {"relus": 0}))
    assert not failure(line, "paddle", record="paddle")
    said = failure(line, "torch")
    assert "small  paddle → torch  different" in said
    assert "torch → torch" not in said


# ── weights and input of one's own ────────────────────────────────────────────────────────────────────────────────────


def test_weights_and_input_from_files(failure, small, port, tmp_path):
    table = small(Sheet("torch", "paddle"))
    port(tmp_path / table, "torch", "torch", out=tmp_path / "mine.pth", verify=False, seed=5)
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).standard_normal((3, 1, 16, 16)))
    line = xframe.golden(table, weights="mine.pth", input="mine.npy")
    assert not failure(line, "torch", record="")
    assert not failure(line, "paddle")
    kept = read_golden(tmp_path / "goldens" / "small.torch.npz")
    assert (kept.weights, kept.input, kept.outputs[0].shape) == ("mine.pth", "mine.npy", (3, 5))
    assert kept.tensors["conv1.weight"].spec.dtype == "float32"
    np.save(tmp_path / "mine.npy", np.ones((3, 1, 16, 16)))
    assert "the input is another" in failure(line, "paddle")
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).standard_normal((3, 1, 16, 16)))
    port(tmp_path / table, "torch", "torch", out=tmp_path / "mine.pth", verify=False, seed=6)
    assert "mine.pth holds other values at 'conv1.weight'" in failure(line, "paddle")
    (tmp_path / "mine.pth").unlink()
    assert "mine.pth" in failure(line, "paddle")


def test_weights_that_only_keras_can_name(failure, small, tmp_path):
    line = xframe.golden(small(Sheet("keras", "torch")), weights="mine.weights.h5")
    assert "only a Keras model knows which tensor" in failure(line, "keras", record="")
    assert not (tmp_path / "goldens").exists()


@pytest.mark.parametrize(
    ("knobs", "says"),
    [({"random": "noise"}, "two runs of torch on the same input differ"), ({"ending": "column"}, "")],
)
def test_what_proves_nothing_is_not_recorded(failure, small, tmp_path, knobs, says):
    said = failure(xframe.golden(small(Sheet("torch", "paddle", knobs, "source"))), "torch", record="")
    assert says in said
    assert bool(said) == (not (tmp_path / "goldens").exists())


# ── files that are not what was written ───────────────────────────────────────────────────────────────────────────────


def refused(path):
    with pytest.raises(CheckpointError) as caught:
        read_golden(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: expected a golden that pytest --xframe-record wrote; found ")
    assert said.endswith("Try: record it anew, or fetch it again.")
    assert "\n" not in said
    return said


@pytest.mark.parametrize("part", [0.0, 0.02, 0.3, 0.7, 0.99])
def test_truncated(recorded, part):
    data = recorded.read_bytes()
    recorded.write_bytes(data[: int(len(data) * part)])
    refused(recorded)


def test_flipped_bits(recorded):
    """Anywhere in the file: refused, or a part that says nothing, such as a date."""
    data, kept = recorded.read_bytes(), read_golden(recorded)
    for place in range(0, len(data), max(1, len(data) // 150)):
        recorded.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        try:
            found = read_golden(recorded)
        except CheckpointError:
            refused(recorded)
        else:
            assert found.tensors == kept.tensors
            assert all(np.array_equal(a.sketch, b.sketch) for a, b in zip(found.calls, kept.calls, strict=True))


def test_other_values_under_a_right_checksum(recorded):
    held = dict(np.load(recorded))
    held["calls"][3, 2] += 1e-6
    np.savez_compressed(recorded, **held)
    assert "calls with other values than were written" in refused(recorded)


def test_nothing_is_unpickled(recorded, tmp_path):
    held = dict(np.load(recorded))
    with zipfile.ZipFile(recorded, "w", zipfile.ZIP_DEFLATED) as archive:
        np.save(tmp_path / "bad.npy", np.array([Bomb(tmp_path / "exploded")]), allow_pickle=True)
        archive.write(tmp_path / "bad.npy", "description.npy")
    assert held
    refused(recorded)
    assert not (tmp_path / "exploded").exists()
    recorded.write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    refused(recorded)
    assert not (tmp_path / "exploded").exists()


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_bomb_of_zeros(recorded):
    held = dict(np.load(recorded))
    np.savez_compressed(recorded, **held | {"calls": np.zeros((2**22, 9))})
    assert recorded.stat().st_size < 2**20
    assert "to unpack at once" in refused(recorded)


@pytest.mark.parametrize(
    "changes",
    [
        {"golden": 2},
        {"tensors": [["a"]]},
        {"tensors": [["a", [-1], "float32", "0"]]},
        {"outputs": [[2, 6]]},
        {"outputs": "all"},
        {"calls": [["conv1", [2]]]},
        {"arrays": {}},
        {"attributes": {"bn1": 3}},
        {"seed": "0"},
    ],
)
def test_descriptions_that_do_not_fit(recorded, changes):
    rewritten(recorded, **changes)
    refused(recorded)


def test_not_a_golden(recorded):
    np.savez(recorded, weight=np.ones(3))
    assert "an archive without a description" in refused(recorded)
    recorded.unlink()
    refused(recorded)
