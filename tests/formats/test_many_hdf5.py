"""HDF5 files cut off, flipped and overwritten in hundreds of places: each is read, or refused with CheckpointError."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("many_hdf5.py")


@pytest.mark.parametrize("kind", ["weights", "legacy", "keras"])
def test_every_damaged_file_is_read_or_refused(tmp_path, kind):
    """A file cut off is never taken for a whole one. No exception but the refusal leaves reader or child."""
    command = [sys.executable, "-W", "error", SCRIPT, tmp_path, kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    counts = json.loads(done.stdout)
    assert (counts["whole"], counts["unexpected"]) == ("read", 0), done.stderr[-3000:]
    assert counts["cuts"] == {"refused": 200}
    assert counts["flips"].keys() == {"read", "refused"}
    assert counts["overwrites"].keys() == {"read", "refused"}
    assert (sum(counts["flips"].values()), sum(counts["overwrites"].values())) == (200, 50)
    assert min(counts["flips"].values()) > 20
    assert counts["parsed"] > 200
