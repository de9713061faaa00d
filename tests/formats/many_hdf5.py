"""Run with a folder and a kind: damages a file of that kind in hundreds of ways, reads each, and says what happened.

A process for each would take its time. Here a fork reads a batch, one file after the other, and runs in it what the
process would run, under its limits. Where HDF5's library crashes or hangs, that file is read again in a fork of its
own, as the process would be, and the next batch starts behind it. What comes out is a JSON object: how many were read
and refused, which damage went unnoticed, and every exception that was no refusal.
"""

import gc
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import traceback
import zipfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import h5py
import numpy as np

from xframe import checkpoints
from xframe.checkpoints.keras.child import variables
from xframe.checkpoints.keras.process import serve
from xframe.errors import CheckpointError

CUTS, FLIPS, OVERWRITES = 200, 200, 50
LONGEST = 1  # seconds of a processor for a file
STUCK = 30  # seconds of the clock: some hangs may use no processor
BATCH = 30
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


def bounded():
    """Ends this process, even within the library, once a file takes too long."""
    signal.setitimer(signal.ITIMER_PROF, LONGEST)
    signal.alarm(STUCK)


def serving(command):
    """What the process would do; its exit code."""
    try:
        serve(variables, command[command.index("xframe.checkpoints.keras.child") + 1 :])
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        return UNEXPECTED
    return 0


def here(command, **_):
    """In place of subprocess.run, in the fork of a batch: the child's own entry function."""
    codes.append(serving(command))
    return subprocess.CompletedProcess(command, codes[-1])


def forked(command, *, timeout, **_):
    """The same in a fork for this file alone."""
    child = os.fork()
    if not child:
        bounded()
        os._exit(serving(command))
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    if codes[-1] in {-signal.SIGPROF, -signal.SIGALRM, -signal.SIGXCPU}:
        raise subprocess.TimeoutExpired(command, timeout)
    return subprocess.CompletedProcess(command, codes[-1])


def judged(first, contents):
    """What becomes of each file, and the codes with which its process ended, or would have ended."""
    paths, told = [folder / f"{first + index}.{kind}" for index in range(len(contents))], []
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    while len(told) < len(paths):
        told += in_one_fork(paths[len(told) :])
        if len(told) < len(paths):
            told.append(alone(paths[len(told)]))
    for path in paths:
        path.unlink()
    return told


def alone(path):
    codes.clear()
    subprocess.run = forked
    return outcome(path), list(codes)


def in_one_fork(paths):
    """What became of the first of them, up to one that ended the process: each tells a line of JSON."""
    outer, inner = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(outer)
            subprocess.run = here
            for path in paths:
                bounded()
                codes.clear()
                os.write(inner, json.dumps([outcome(path), codes]).encode() + b"\n")
        finally:
            os._exit(0)
    os.close(inner)
    with os.fdopen(outer) as lines:
        told = [json.loads(line) for line in lines]
    os.waitpid(child, 0)
    return told


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
codes: list[int] = []
path = folder / f"a.{kind}"
globals()[kind](path)
whole = path.read_bytes()
damaged = [(damage.__name__, content) for damage in (cuts, flips, overwrites) for content in damage(whole)]
batches = [
    (first, [content for _, content in damaged[first : first + BATCH]]) for first in range(0, len(damaged), BATCH)
]
counts = {"whole": alone(path)[0], **{damage.__name__: Counter() for damage in (cuts, flips, overwrites)}}
gc.freeze()  # or every fork copies what the collector touches
with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
    found = [told for batch in pool.map(judged, *zip(*batches, strict=True)) for told in batch]
for (damage, _), (word, _) in zip(damaged, found, strict=True):
    counts[damage][word] += 1
ended = [code for _, held in found for code in held]
counts["unexpected"], counts["parsed"], counts["died"] = ended.count(UNEXPECTED), len(ended), sum(map(bool, ended))
print(json.dumps(counts))
