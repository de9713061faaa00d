"""The table of layers in docs/migrating-from-paddle-to-torch.md: every row is a case that runs on both sides."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "migrating-from-paddle-to-torch.md"
SIDES = ("paddle", "torch")


def table():
    """Rows as {label: (Paddle's cell, PyTorch's cell)}."""
    text = DOCUMENT.read_text(encoding="utf-8")
    section = text[text.index("| layer or argument |") :].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines()[2:]]
    return {label: (paddle, torch) for label, paddle, torch, _ in rows}


def source(side):
    return (HERE / "cases" / f"layers_{side}.py").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def facts():
    """What the cases of each side print: {side: {case: value}}."""
    started = {
        side: subprocess.Popen(
            [sys.executable, HERE / "cases" / f"layers_{side}.py"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for side in SIDES
    }  # fmt: skip
    found = {}
    for side, process in started.items():
        out, log = process.communicate(timeout=300)
        assert process.returncode == 0, log
        found[side] = json.loads(out)
    return found


def alike(one, other, tolerance=1e-12):
    one, other = np.asarray(one, float), np.asarray(other, float)
    return one.shape == other.shape and bool(np.abs(one - other).max() <= tolerance)


# One check a row: Paddle's value, PyTorch's value.


def base_class(p, t):
    assert p is t is True


def convolution(p, t):
    assert p["shape"] == t["shape"] == [8, 3, 5, 5]
    assert alike(p["out"], t["out"])


def without_bias(p, t):
    assert p == t == {"none": [True, True], "default": [8]}


def linear(p, t):
    assert p["shape"] == [3, 5]
    assert t["shape"] == [5, 3]
    assert alike(p["out"], t["out"])


def batch_norm(p, t):
    assert (p["epsilon"], p["set"]) == (t["epsilon"], t["set"]) == (1e-5, 1e-3)
    assert p["names"] == ["weight", "bias", "_mean", "_variance"]
    assert t["names"] == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]


def epsilon_in_float64(p, t):
    assert p["float32"] < 1e-14
    assert p["float64"] > 1e-9
    assert t["float64"] < 1e-14
    assert t["float32"] > 1e-9


def momentum(p, t):
    assert p["default"] == p["set"] == 0.9
    assert t["default"] == t["set"] == 0.1
    assert alike(p["mean"], t["mean"], 1e-7)
    assert not alike(p["mean"], [0, 0, 0], 1e-3)


def running_variance(p, t):
    count = 8  # of values in a channel of the batch
    moved = [(np.array(side["variance"]) - 0.9) / 0.1 for side in (p, t)]
    assert alike(moved[0] * count / (count - 1), moved[1], 1e-5)
    assert not alike(moved[0], moved[1], 1e-2)


def max_pool(p, t):
    assert alike(p, t)


def average_pool(p, t):
    assert alike(p["plain"], t["plain"])
    assert p["default"] is t["default"] is True
    assert not alike(p["padded"], t["padded"], 1e-2)
    assert alike(p["alike"], t["alike"])


def adaptive_pool(p, t):
    assert alike(p, t)


def flatten(p, t):
    assert p == t
    assert p["all"] == [24]
    assert np.shape(p["layer"]) == np.shape(p["function"]) == (2, 12)


def relu(p, t):
    assert p == t
    assert min(p) == 0 < max(p)


def trained_or_frozen(p, t):
    assert p == t == {"trained": True, "frozen": True, "other": True}


def new_tensor(p, t):
    assert p == t == {"gradient": False}


def no_gradient(p, t):
    assert p == t == {"gradient": False}


def evaluation(p, t):
    assert p == t == {"before": True, "after": [False, False]}


def parameters(p, t):
    assert p == {"count": 4, "trained": 2}
    assert t == {"count": 2, "trained": 2}


CHECKS = {
    check.__name__.replace("_", " "): check
    for check in (
        base_class, convolution, without_bias, linear, batch_norm, epsilon_in_float64, momentum, running_variance,
        max_pool, average_pool, adaptive_pool, flatten, relu, trained_or_frozen, new_tensor, no_gradient, evaluation,
        parameters,
    )
}  # fmt: skip


def test_every_row_has_a_check():
    assert list(table()) == list(CHECKS)


@pytest.mark.parametrize("row", CHECKS)
def test_row(facts, row):
    case = CHECKS[row].__name__
    CHECKS[row](facts["paddle"][case], facts["torch"][case])


@pytest.mark.parametrize("row", CHECKS)
@pytest.mark.parametrize("side", SIDES)
def test_code_of_a_cell_is_the_code_of_its_case(side, row):
    body = source(side).split(f"def {CHECKS[row].__name__}(")[1].split("\n\n\n")[0]
    for code in re.findall(r"`([^`]+)`", table()[row][SIDES.index(side)]):
        assert code in body, f"{row}: {code} is not in the {side} case"


def test_an_embedding_is_stored_alike(facts):
    """Said beside the table: a 2-D tensor that must not be transposed."""
    assert facts["paddle"]["embedding"] == facts["torch"]["embedding"] == [7, 4]
