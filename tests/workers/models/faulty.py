"""Every way in which a user's model can go wrong, in a model that needs no framework."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


class Vague(Exception):
    def __str__(self):
        raise RuntimeError


def _raise(error):
    raise error


def mark():
    """Tells the test that the fault is about to happen."""
    if "MARK" in os.environ:
        Path(os.environ["MARK"]).touch()


def hang(sleep):
    mark()
    sleep(1000)


def meet():
    """Wait until as many processes as there should be are here."""
    folder = Path(os.environ["MEETING"])
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) < 2:
        time.sleep(0.01)


def breed():
    """A child process that outlives its parent's death."""
    subprocess.Popen(["sleep", "1000"])
    hang(time.sleep)


def noise():
    """On both streams, from Python, from C, and from a child."""
    print("python's noise")
    print("python's noise", file=sys.stderr)
    os.write(1, b"descriptor's noise\n")
    libc = ctypes.CDLL(None)
    libc.puts(b"C's noise")
    libc.fflush(None)
    subprocess.run(["sh", "-c", "echo child noise; echo child noise >&2"], check=True)


FAULTS = {
    "none": lambda: None,
    "segv": lambda: ctypes.string_at(0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(7),
    "leave": lambda: sys.exit(3),
    "sleep": lambda: hang(time.sleep),
    "hold": lambda: hang(ctypes.PyDLL(None).sleep),  # outside Python, and the interpreter's lock in hand
    "meet": meet,
    "breed": breed,
    "noise": noise,
    "broken": lambda: _raise(OSError("libmissing.so: cannot open shared object file")),
    "surrogate": lambda: _raise(ValueError("no UTF-8: \udcff")),
    "huge": lambda: _raise(ValueError("x" * 10_000_000)),
    "vague": lambda: _raise(Vague()),
    "interrupt": lambda: _raise(KeyboardInterrupt()),
    "generator": lambda: _raise(GeneratorExit()),
}


class Tensor:
    dtype = "torch.float32"

    def __init__(self, array):
        self._array = array

    def detach(self):
        return self

    contiguous = detach

    def numpy(self):
        return self._array


class Model:
    """What the torch worker asks of a module."""

    def __init__(self, forward, state=None):
        self._forward = forward
        self._state = state or {}

    def to(self, _dtype):
        return self

    def eval(self):
        return self

    def state_dict(self):
        return self._state

    def named_modules(self):
        return []

    def __call__(self, inputs):
        return self._forward(inputs)


def scaled(factor):
    return Model(lambda inputs: Tensor(inputs * factor))


def at_build(fault=None):
    FAULTS[fault or os.environ["FAULT"]]()
    return scaled(1)


def at_run(fault):
    def forward(inputs):
        FAULTS[fault]()
        return Tensor(inputs)

    return Model(forward)


def misnamed():
    """A tensor whose name no message can carry."""
    import numpy as np

    return Model(None, {"name \udcff": Tensor(np.zeros(1, np.float32))})
