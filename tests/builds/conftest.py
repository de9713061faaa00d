"""Tables whose models come from files: written into the test's own folder, one layer of the kind that each needs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NETS = Path(__file__).with_name("written_nets.py")

LINEAR = """\
summary = "one layer"
input   = [4, 1, 1]
{more}
[implementations]
{columns}

[[layers]]
kind  = "linear"
sizes = {{ in = 4, out = 3 }}
{cells}
"""


@pytest.fixture
def table(tmp_path):
    """Writes a table of one dense layer; ``columns`` give each column's inline table, all cells are ``fc``."""

    def write(columns, folder=".", more="", name="net.toml", cells=None):
        place = tmp_path / folder
        place.mkdir(exist_ok=True, parents=True)
        named = {**dict.fromkeys(columns, "fc"), **(cells or {})}
        text = LINEAR.format(
            more=more,
            columns="\n".join(f'"{column}" = {said}' for column, said in columns.items()),
            cells="\n".join(f'"{column}" = "{cell}"' for column, cell in named.items()),
        )
        path = place / name
        path.write_text(text)
        return path

    return write


@pytest.fixture(scope="session")
def written_by():
    """Runs a script in a folder that gets ``nets.py``, in a process of its own: what it writes is the framework's."""

    def write(folder, script, **environment):
        shutil.copy(NETS, Path(folder) / "nets.py")
        done = subprocess.run(
            [sys.executable, "-c", script],
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        )
        assert done.returncode == 0, done.stderr[-3000:]

    return write
