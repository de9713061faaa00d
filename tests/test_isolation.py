"""The parent process never imports a framework: not on import, not in any command, not even in a port."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FRAMEWORKS = {"paddle", "torch", "tensorflow", "keras", "onnx", "onnxruntime", "jax"}
PUBLIC = "import xframe; [getattr(xframe, name) for name in getattr(xframe, '__all__', ())]"
COMMAND = """
import sys
sys.argv = ["xframe", *{words!r}]
from xframe.cli import app
try:
    code = app(standalone_mode=False)
except SystemExit as end:
    code = end.code
assert not code, code
"""
TELL = """
import json, sys
print()
print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))
"""


def modules(code, folder):
    """The top-level modules that a fresh process holds after ``code``."""
    words = [sys.executable, "-c", code + TELL]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=120, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return set(json.loads(done.stdout.splitlines()[-1]))


def frameworks_after(code, folder):
    loaded = modules(code, folder)
    assert "xframe" in loaded
    return loaded & FRAMEWORKS


@pytest.fixture
def weights(tmp_path):
    """A checkpoint of lenet5_maxavg as torch names it."""
    shapes = {
        "conv1": (6, 1, 5, 5),
        "conv3": (16, 6, 5, 5),
        "conv5": (120, 16, 5, 5),
        "linear6": (84, 120),
        "linear7": (10, 84),
    }
    arrays = {f"{name}.weight": np.zeros(shape, np.float32) for name, shape in shapes.items()}
    arrays |= {f"{name}.bias": np.zeros(shape[0], np.float32) for name, shape in shapes.items()}
    np.savez(tmp_path / "weights.npz", **arrays)
    return tmp_path


def test_import(tmp_path):
    assert frameworks_after(PUBLIC, tmp_path) == set()


def test_every_module_of_the_parent_side(tmp_path):
    """Frameworks are imported in frameworks/ and zoo/ alone; everything else imports without them."""
    package = Path(__file__).parents[1] / "xframe"
    paths = [path.relative_to(package.parent).with_suffix("") for path in sorted(package.rglob("*.py"))]
    names = [
        ".".join(path.parts).removesuffix(".__init__")
        for path in paths
        if path.parts[1] not in ("frameworks", "zoo") and path.name != "__main__"
    ]
    assert len(names) > 40
    code = f"import importlib\nfor name in {names!r}:\n    importlib.import_module(name)\n"
    assert frameworks_after(code, tmp_path) == set()


@pytest.mark.parametrize("words", [
    ["--help"],
    ["--version"],
    ["list"],
    ["show", "lenet5_maxavg"],
    ["show", "lenet5_maxavg", "paddle", "torch"],
    ["inspect", "weights.npz"],
    ["convert", "lenet5_maxavg", "torch", "paddle", "weights.npz", "out.pdparams"],
    ["check", "--no-build"],
    ["doctor", "onnx"],
], ids=" ".join)  # fmt: skip
def test_a_command(weights, words):
    assert frameworks_after(COMMAND.format(words=words), weights) == set()


@pytest.mark.parametrize("framework", sorted(FRAMEWORKS - {"jax"}))
def test_the_check_can_fail(tmp_path, framework):
    """A process that does import one is caught; a module of that name that costs nothing stands for it."""
    (tmp_path / f"{framework}.py").touch()
    assert frameworks_after(f"import xframe, {framework}", tmp_path) == {framework}


def test_the_check_sees_an_import_deep_in_a_command(tmp_path):
    (tmp_path / "torch.py").touch()
    code = "import xframe.workflows.listing as l\nreal = l.models\ndef models():\n    import torch\n    return real()\n"
    code += "l.models = models\n"
    assert frameworks_after(code + COMMAND.format(words=["list"]), tmp_path) == {"torch"}


def test_a_whole_port(tmp_path):
    """A framework that is merely asked for, behind a try for one, ends the process."""
    hook = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {sorted(FRAMEWORKS)!r}:\n"
        "            sys.exit(f'{name} was asked for')\n"
        "sys.meta_path.insert(0, Refuse())\n"
    )
    words = ["port", "lenet5_maxavg", "torch", "torch"]
    assert frameworks_after(hook + COMMAND.format(words=words), tmp_path) == set()
