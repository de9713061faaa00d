"""Logits against probabilities: the softmax between them, and what it must not hide."""

import numpy as np
import pytest

from xframe.comparison import Tolerance, compare_all
from xframe.mapping import load_table
from xframe.proving.outputs import BothPrecisions, in_one_form, softmax

LOGITS = np.array([[1.0, 2.0, 3.0], [-700.0, 0.0, 900.0]])
TABLE = load_table("lenet5")
PADDLE, TORCH = TABLE.implementation("paddle"), TABLE.implementation("torch")


def both(array):
    return BothPrecisions(float64=[array], float32=[array.astype(np.float32)])


def test_softmax_is_over_the_last_axis_and_in_float64():
    found = softmax(LOGITS.astype(np.float32))
    assert found.dtype == np.float64
    assert found[0] == pytest.approx([0.09003057317038046, 0.24472847105479767, 0.6652409557748219], abs=1e-15)
    assert found[1].tolist() == [0.0, 0.0, 1.0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_softmax_hides_no_infinity(bad):
    logits = np.array([[0.0, bad, 1.0]])
    found = compare_all([softmax(logits)], [np.array([[0.25, 0.0, 0.75]])], Tolerance(atol=9.0))
    assert not found
    assert "NaN or Inf in the source" in found.reason


def test_the_side_that_returns_logits_gets_the_softmax():
    for ends in ((PADDLE, TORCH), (TORCH, PADDLE)):
        given = [both(LOGITS if end is PADDLE else softmax(LOGITS)) for end in ends]
        source, target, (note,) = in_one_form(*given, ends)
        assert compare_all(source.float64, target.float64, Tolerance())
        assert note == (
            "torch returns probabilities and paddle logits: the outputs of paddle were compared behind a softmax "
            "in float64"
        )


@pytest.mark.parametrize("ends", [(PADDLE, PADDLE), (TORCH, TORCH)])
def test_sides_that_return_the_same_are_left_alone(ends):
    source, target, notes = in_one_form(both(LOGITS), both(LOGITS), ends)
    assert source.float64[0] is LOGITS
    assert target.float64[0] is LOGITS
    assert notes == ()
