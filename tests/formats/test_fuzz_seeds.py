"""Every seed of the fuzzer, findings among them, goes through its target: a finding that was mended stays mended."""

import pytest

from fuzz import seeds
from fuzz.targets import TARGETS

LARGEST_SEED = 4096
LARGEST_FOLDER = 400 * 1024
REPLAYS = [(name, path) for name, target in TARGETS.items() for path in seeds.files(target)]


@pytest.mark.parametrize(
    ("name", "path"), REPLAYS, ids=[f"{name}:{path.parent.name}/{path.name}" for name, path in REPLAYS]
)
def test_seed(name, path, tmp_path):
    """Any exception but CheckpointError leaves ``holds``. What a library wrote is taken by its own target."""
    taken = TARGETS[name].holds(seeds.prepare(TARGETS[name], tmp_path), path.read_bytes())
    assert taken or path.name.startswith("finding-") or name != path.parent.name


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_has_seeds(name):
    assert seeds.files(TARGETS[name])


def test_seeds_are_small():
    sizes = [path.stat().st_size for path in seeds.SEEDS.rglob("*") if path.is_file()]
    assert max(sizes) <= LARGEST_SEED
    assert sum(sizes) <= LARGEST_FOLDER


def test_a_finding_is_told_from_a_refusal(tmp_path, monkeypatch):
    """What is replayed can fail: an exception of any other kind gets through."""
    target = TARGETS["safetensors"]
    assert not target.holds(tmp_path, b"nothing")

    def broken(*_):
        raise ValueError("of another kind")

    monkeypatch.setattr("xframe.checkpoints.safetensors._header", broken)
    with pytest.raises(ValueError, match="of another kind"):
        target.holds(tmp_path, b"nothing")
