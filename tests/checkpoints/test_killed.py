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

OLD = b"the old output"


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


def moments(duration):
    """Random moments of a run; sooner ones where runs turn out to be quicker than they were."""
    dice = random.Random(3)
    while True:
        hit = yield dice.uniform(0, duration)
        duration *= 1 if hit else 0.9


def kills_of(conversion, duration, wanted, *more):
    """Runs until ``wanted`` were killed; yields after each whether it was."""
    moment = moments(duration)
    seconds, hits = next(moment), 0
    for _ in range(10 * wanted):
        hit = conversion.killed_after(seconds, *more)
        yield hit
        hits += hit
        if hits == wanted:
            return
        seconds = moment.send(hit)
    pytest.fail(f"of {10 * wanted} runs only {hits} were killed")


@pytest.mark.parametrize("size", SIZES)
def test_one_file(tmp_path, size):
    layers, side, kills = size
    duration = (timed := Conversion(tmp_path, layers, side, "timed.pth")).run()
    wanted = told(timed.out)
    timed.out.unlink()
    conversion = Conversion(tmp_path, layers, side, "out.pth")
    conversion.out.write_bytes(OLD)
    visible = conversion.visible()
    kept = 0
    for _ in kills_of(conversion, duration, kills):
        assert conversion.visible() == visible
        if conversion.out.read_bytes() == OLD:
            kept += 1
        else:  # it was quicker than its moment, or killed after its last step
            assert told(conversion.out) == wanted
            conversion.out.write_bytes(OLD)
    assert kept > kills / 2
    conversion.run()
    assert told(conversion.out) == wanted
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def named_in(index):
    """The shards that an index names, which are all that it needs."""
    return {tensor.extent.path.name for tensor in checkpoints.read(index).tensors.values()}


@pytest.mark.parametrize("size", SIZES)
def test_shards(tmp_path, size):
    """A set of other weights is there. Killed again and again it stays, until a resumed run puts the new one there."""
    layers, side, kills = size
    options = ("out.safetensors", "--max-shard-size", "40MB")
    conversion = Conversion(tmp_path, layers, side, "out.safetensors.index.json", *options)
    duration = conversion.run()
    timed = Conversion(tmp_path, layers, side, "new.pth")
    seeds = iter(range(1, 1000))

    def other_weights():
        make(tmp_path, layers, side, seed=next(seeds))
        timed.run()
        found = told(timed.out)
        timed.out.unlink()
        return found

    old, new, shards = told(conversion.out), other_weights(), named_in(conversion.out)
    assert not set(old.values()) & set(new.values())
    for hit in kills_of(conversion, duration, kills, "--resume"):
        found = told(conversion.out)
        assert found == new if not hit else found in (old, new)
        assert found == new or shards <= conversion.visible()
        for path in tmp_path.glob("out-*.safetensors"):
            checkpoints.read(path)  # whole: a partial one would be refused
        if found == new:
            old, new, shards = new, other_weights(), named_in(conversion.out)
    conversion.run("--resume")
    assert told(conversion.out) == new
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {conversion.out.name, *named_in(conversion.out), "linears.toml", "linears.pdparams"}
