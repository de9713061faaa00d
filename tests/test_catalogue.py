"""`make catalogue` in small: every pair of one architecture; a pair that is not equivalent fails it and shows."""

import subprocess
import sys
from pathlib import Path

import pytest

from xframe.mapping import load_table

OLDER = "## older\n\nAn older one.\n\n| a | b | equivalent | 0 | 0 | 1 | yes | 1.0 | 1 |"
ROOT = Path(__file__).parents[1]


def catalogue(*arguments):
    command = [sys.executable, "-m", "benchmarks.catalogue", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=300)


@pytest.fixture
def two_columns(tmp_path):
    """lenet5_sigmoid between paddle and torch, with a line exchanged, as a table of one's own."""

    def write(old="", new=""):
        text = load_table("lenet5_sigmoid").file.read_text()
        assert old in text
        lines = text.replace(old, new).splitlines()
        path = tmp_path / "two.toml"
        path.write_text("\n".join(line for line in lines if not line.startswith("keras")))
        return path

    return write


def test_every_pair_is_written_down(two_columns, tmp_path):
    out = tmp_path / "catalogue.md"
    out.write_text(f"# The catalogue\n\n1 architectures\n\n{OLDER}\n")
    done = catalogue(two_columns(), "--out", out)
    assert done.returncode == 0, done.stderr
    rows = [line for line in out.read_text().splitlines() if line.startswith(("| paddle", "| torch"))]
    assert [row.split(" | ")[:3] for row in rows] == [
        ["| paddle", "torch", "equivalent"],
        ["| torch", "paddle", "equivalent"],
    ]
    assert all(" | 10 | yes | " in row for row in rows)
    assert "2 architectures, 3 ordered pairs, 3 of them equivalent and exact" in out.read_text()
    assert out.read_text().count(OLDER) == 1


def test_a_difference_fails_it(two_columns):
    done = catalogue(two_columns('torch:lenet5_sigmoid"', 'torch:lenet5_sigmoid", output = "probabilities"'))
    assert done.returncode == 1
    assert "| paddle | torch | different | " in done.stdout
    assert done.stdout.endswith("1 architectures, 2 ordered pairs: 0 equivalent and exact\n")


def test_a_refused_pair_fails_it(two_columns):
    done = catalogue(two_columns('"xframe.zoo.lenet.torch:lenet5_sigmoid"', '"xframe.zoo.lenet.torch:lenet5"'))
    assert done.returncode == 1
    assert "| paddle | torch | refused: " in done.stdout
