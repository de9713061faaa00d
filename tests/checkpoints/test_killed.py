"""kill -9 at any moment of a conversion: the old output is whole, nothing partial has its name, --resume completes."""

import random
import signal
import subprocess
import sys
import time

import pytest
from linears import make

from xframe import checkpoints
from xframe.digests import digest

# (layers, side, kills): 130 MB in CI, 1 GB in `make test-all`
SIZES = [
    pytest.param((8, 2016, 8), id="130MB"),
    pytest.param((64, 2016, 50), id="1GB", marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
]


class Conversion:
    """``xframe convert`` as a process of its own, over and over."""

    def __init__(self, folder, layers, side, out, *options):
        table, self.source = folder / "linears.toml", folder / "linears.pdparams"
        if not table.exists():
            make(folder, layers, side)
        self.folder, self.out = folder, folder / out
        ends = [table, "paddle", "torch", self.source, folder / options[0] if options else self.out]
        self.command = [sys.executable, "-m", "xframe", "convert", *ends, *options[1:], "--quiet"]

    def run(self, *more):
        started = time.monotonic()
        done = subprocess.run([*self.command, *more], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return time.monotonic() - started

    def killed_after(self, seconds, *more):
        """Whether there was still something to kill."""
        with subprocess.Popen([*self.command, *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
            try:
                child.wait(seconds)
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
            return child.wait() == -signal.SIGKILL

    def visible(self):
        return {path.name for path in self.folder.iterdir() if not path.name.startswith(".")}


def told(path):
    return {name: digest(tensor.array()) for name, tensor in checkpoints.read(path).tensors.items()}


@pytest.mark.parametrize("size", SIZES)
def test_one_file(tmp_path, size):
    layers, side, kills = size
    conversion = Conversion(tmp_path, layers, side, "out.pth")
    conversion.out.write_bytes(b"the old output")
    duration = Conversion(tmp_path, layers, side, "timed.pth").run()
    wanted = told(tmp_path / "timed.pth")
    (tmp_path / "timed.pth").unlink()
    visible, dice = conversion.visible(), random.Random(3)
    hits = sum(conversion.killed_after(dice.uniform(0, duration)) for _ in range(kills))
    # A run that was quicker than its moment has replaced the old output by a whole new one.
    assert conversion.out.read_bytes() == b"the old output" if hits == kills else told(conversion.out) == wanted
    assert conversion.visible() == visible
    assert hits > kills / 2
    conversion.run()
    assert told(conversion.out) == wanted
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("size", SIZES)
def test_shards(tmp_path, size):
    """A set of other weights is there. Killed again and again it stays, until a resumed run puts the new one there."""
    layers, side, kills = size
    options = ("out.safetensors", "--max-shard-size", "40MB")
    conversion = Conversion(tmp_path, layers, side, "out.safetensors.index.json", *options)
    duration = conversion.run()
    old, shards = told(conversion.out), conversion.visible()
    make(tmp_path, layers, side, seed=1)
    timed = Conversion(tmp_path, layers, side, "new.pth")
    timed.run()
    new = told(timed.out)
    timed.out.unlink()
    assert old.keys() == new.keys()
    assert not set(old.values()) & set(new.values())
    dice, hits, completed = random.Random(3), 0, False
    for _ in range(kills):
        hit = conversion.killed_after(dice.uniform(0, duration), "--resume")
        hits, completed = hits + hit, completed or not hit
        found = told(conversion.out)
        completed = completed or found == new
        assert found == (new if completed else old)
        assert completed or shards <= conversion.visible()
        for path in tmp_path.glob("out-*.safetensors"):
            checkpoints.read(path)  # whole: a partial one would be refused
    assert hits > kills / 2
    conversion.run("--resume")
    assert told(conversion.out) == new
    named = {tensor.extent.path.name for tensor in checkpoints.read(conversion.out).tensors.values()}
    assert {path.name for path in tmp_path.iterdir()} == {
        conversion.out.name,
        *named,
        "linears.toml",
        "linears.pdparams",
    }
