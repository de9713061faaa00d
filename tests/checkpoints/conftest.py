"""Real files, written and read by the real libraries: one process a framework, once a session."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from xframe import checkpoints
from xframe.checkpoints import Outgoing
from xframe.digests import digest
from xframe.tensors import STORAGE, TensorSpec

REAL = Path(__file__).parent / "real"
SHAPES = ((), (5,), (3, 4), (0, 3), (2, 0), (2, 3, 1, 4))
UNKNOWN_TO = {
    ".pth": frozenset(),
    ".pdparams": frozenset({"uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2"}),
    ".safetensors": frozenset({"complex128"}),
    ".npz": frozenset({"bfloat16", "float8_e4m3fn", "float8_e5m2"}),
}


def array_of(spec, seed=0):
    """Random bits of that shape and dtype; bools are 0 or 1."""
    bits = np.frombuffer(np.random.default_rng(seed).bytes(spec.nbytes), np.uint8)
    return (bits & 1 if spec.dtype == "bool" else bits).view(STORAGE[spec.dtype]).reshape(spec.shape)


def outgoing(specs):
    return [Outgoing.whole(spec, lambda spec=spec, seed=seed: array_of(spec, seed)) for seed, spec in enumerate(specs)]


def every_spec(extension):
    """Every dtype that the format has, in every shape."""
    return [
        TensorSpec(f"ü.{dtype}/{index}", shape, dtype)
        for dtype in STORAGE
        if dtype not in UNKNOWN_TO[extension]
        for index, shape in enumerate(SHAPES)
    ]


def told(checkpoint):
    """A checkpoint as the scripts in real/ tell one: dtype, shape and digest by name."""
    return {
        name: [tensor.spec.dtype, list(tensor.spec.shape), digest(tensor.array())]
        for name, tensor in checkpoint.tensors.items()
    }


def run(framework, *folders):
    """Runs real/real_<framework>.py. A missing framework is a failure, not a skip."""
    script = REAL / f"real_{framework}.py"
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, script, *folders]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, f"{script.name} ended with {done.returncode}:\n{done.stderr[-3000:]}"


class Exchange:
    """Files that xframe wrote and a framework read (``ours``), and the other way round (``theirs``)."""

    def __init__(self, ours, theirs):
        self.ours, self.theirs = ours, theirs

    def said(self, path):
        """What the framework said that the file holds."""
        return json.loads(path.with_name(f"{path.name}.json").read_text())


def exchange(factory, framework, extension, *more):
    ours, theirs = factory.mktemp(f"ours_{framework}"), factory.mktemp(f"theirs_{framework}")
    if extension:
        checkpoints.write(ours / f"every{extension}", None, outgoing(every_spec(extension)))
        checkpoints.write(ours / f"none{extension}", None, [])
    for path in more:
        shutil.copy(path, ours)
    run(framework, *([ours] if extension else []), theirs)
    return Exchange(ours, theirs)


@pytest.fixture(scope="session")
def paddle_files(tmp_path_factory):
    return exchange(tmp_path_factory, "paddle", ".pdparams")


@pytest.fixture(scope="session")
def torch_files(tmp_path_factory):
    """With a third file of ours in zip64, the form of archives over 2 GiB: the limit is lowered for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xframe.checkpoints.zip_layout.LIMIT", 20)
        path = tmp_path_factory.mktemp("zip64") / "zip64.pth"
        checkpoints.write(path, None, outgoing(every_spec(".pth")))
    return exchange(tmp_path_factory, "torch", ".pth", path)


@pytest.fixture(scope="session")
def keras_files(tmp_path_factory):
    return exchange(tmp_path_factory, "keras", None)
