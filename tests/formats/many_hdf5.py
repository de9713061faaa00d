"""Run with a folder and a kind: damages a file of that kind in hundreds of ways, reads each, and says what happened.

A process for each would take its time. Here ``checkpoints.read`` forks instead, and the fork runs what the process
would run, under its limits: a crash or a hang of HDF5's library still ends only that one. What comes out is a JSON
object: how many were read and refused, which damage went unnoticed, and every exception that was no refusal.
"""

import json
import os
import random
import signal
import subprocess
import sys
import traceback
import zipfile
from pathlib import Path

import h5py
import numpy as np

from xframe import checkpoints
from xframe.checkpoints.keras.child import variables
from xframe.checkpoints.keras.process import serve
from xframe.errors import CheckpointError

CUTS, FLIPS, OVERWRITES = 200, 200, 50
LONGEST = 5  # seconds
UNEXPECTED = 99


def weights(path):
    """Two layers; datasets in one piece, of opaque bytes, and in chunks."""
    with h5py.File(path, "w") as file:
        for layer in ("dense", "conv"):
            file[f"layers/{layer}/vars/0"] = np.arange(3.0)
            file[f"layers/{layer}/vars"].attrs["name"] = f"my_{layer}"
        held = file["layers/conv/vars"]
        held.create_dataset("1", data=np.arange(12, dtype="i2").reshape(4, 3), chunks=(4, 2), compression="gzip")
        held.create_dataset("2", data=np.arange(3, dtype="u2").view("V2"))
        held["2"].attrs["dtype"] = "bfloat16"


def legacy(path):
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"dense", b"conv"]
        for layer, names in (("dense", ["d/kernel:0"]), ("conv", ["c/kernel:0", "c/bias:0"])):
            group.create_group(layer).attrs["weight_names"] = [name.encode() for name in names]
            group[f"{layer}/{names[0]}"] = np.arange(6.0).reshape(2, 3)
        group.create_dataset("conv/c/bias:0", data=np.arange(30, dtype="f4"), chunks=(16,), fletcher32=True)


def keras(path):
    weights(path.with_suffix(".inner"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.write(path.with_suffix(".inner"), "model.weights.h5")


def forked(command, *, timeout, **_):
    """In place of subprocess.run: the child's own entry function, in a fork of this process."""
    sys.stderr.flush()
    child = os.fork()
    if not child:
        signal.alarm(int(timeout))  # its default ends the process, even within the library
        code = UNEXPECTED
        try:
            serve(variables, command[command.index("xframe.checkpoints.keras.child") + 1 :])
            code = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == -signal.SIGALRM:
        raise subprocess.TimeoutExpired(command, timeout)
    outcomes.append(code)
    return subprocess.CompletedProcess(command, code)


def cuts(content):
    """From nothing to all but a byte."""
    dice = random.Random(7)
    near = range(len(content) - 20, len(content))
    for length in [*near, 0, *dice.sample(range(1, len(content) - 20), CUTS - 21)]:
        yield content[:length]


def flips(content):
    """Half of them where there is something: most of a small HDF5 file is empty."""
    dice = random.Random(7)
    held = [index for index, byte in enumerate(content) if byte]
    for index in range(FLIPS):
        damaged = bytearray(content)
        for _ in range(dice.choice((1, 1, 2, 8))):
            damaged[dice.choice(held) if index % 2 else dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        yield bytes(damaged)


def overwrites(content):
    """Runs of 0x00 and 0xff make the lengths and offsets that overflow."""
    dice = random.Random(7)
    for _ in range(OVERWRITES):
        start, width = dice.randrange(len(content)), dice.choice((1, 2, 4, 8))
        yield content[:start] + dice.choice((b"\xff", b"\x00", b"\x7f")) * width + content[start + width :]


def outcome(path):
    """What becomes of the file; an exception that is no refusal in full."""
    try:
        tensors = checkpoints.read(path).tensors.values()
        same = all(tensor.array().nbytes == tensor.spec.nbytes for tensor in tensors)
    except CheckpointError as error:
        return "refused" if str(path) in str(error) else f"a refusal that names no file: {error}"
    except Exception:
        return traceback.format_exc()
    return "read" if same else "read with another size"


folder, kind = Path(sys.argv[1]), sys.argv[2]
outcomes: list[int] = []
subprocess.run = forked  # before anything is read
vars(sys.modules["xframe.checkpoints.keras.process"])["LONGEST"] = LONGEST
path = folder / f"a.{kind}"
globals()[kind](path)
whole, counts = path.read_bytes(), {"whole": outcome(path)}
for damage in (cuts, flips, overwrites):
    found = []
    for content in damage(whole):
        path.write_bytes(content)
        found.append(outcome(path))
    counts[damage.__name__] = {word: found.count(word) for word in sorted(set(found))}
counts["unexpected"] = outcomes.count(UNEXPECTED)
counts["parsed"] = len(outcomes)
print(json.dumps(counts))
