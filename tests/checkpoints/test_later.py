"""A reader that is loaded later says of every file what it would have said at once."""

import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pytest

from xframe import checkpoints
from xframe.checkpoints import Outgoing
from xframe.checkpoints.model import Glance
from xframe.checkpoints.registry import READERS
from xframe.tensors import TensorSpec

SEEDS = sorted(path for path in (Path(__file__).parents[2] / "fuzz" / "seeds").rglob("*") if path.is_file())


def of_keras():
    """The beginnings of a .weights.h5 and a .keras: the fuzzers have none, for both are parsed in a child."""
    weights, archive = BytesIO(), BytesIO()
    with h5py.File(weights, "w") as file:
        file["a"] = [1.0]
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("metadata.json", "{}")
    return [weights.getvalue(), archive.getvalue()]


@pytest.fixture(scope="module")
def glances():
    """Every seed of the fuzzers: files of all formats and ruins of them."""
    contents = [*map(Path.read_bytes, SEEDS), *of_keras()]
    return [Glance(data[:4096], data[-64:], len(data)) for data in contents]


@pytest.mark.parametrize("later", READERS, ids=lambda later: later.name)
def test_what_is_not_loaded_for_a_file_would_not_have_taken_it(later, glances):
    verdicts = [(later.matches(glance), later.reader.matches(glance)) for glance in glances]
    assert all(found == wanted for found, wanted in verdicts)
    assert any(found for found, _ in verdicts)


@pytest.mark.parametrize("later", READERS, ids=lambda later: later.name)
def test_the_registry_says_of_a_format_what_its_reader_says(later):
    assert later.name == later.reader.name
    assert not later.extensions or later.extensions == later.reader.extensions
    assert bool(later.extensions) == hasattr(later.reader, "layout")


PROGRAM = """
import sys
from xframe import checkpoints
checkpoints.read(sys.argv[1])
print(*[name for name in sys.modules if name.startswith("xframe.checkpoints.")])
"""


def test_a_pdparams_loads_no_reader_but_its_own(tmp_path):
    path = tmp_path / "a.pdparams"
    checkpoints.write(path, None, [Outgoing.whole(TensorSpec("a", (3,), "float32"), lambda: np.zeros(3, "f4"))])
    done = subprocess.run([sys.executable, "-c", PROGRAM, path], check=True, capture_output=True, text=True)
    loaded = done.stdout.split()
    assert "xframe.checkpoints.paddle.params" in loaded
    others = [later.reader for later in READERS if later.name != "paddle"]
    assert not {type(reader).__module__ for reader in others} & set(loaded)
