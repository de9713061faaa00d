"""Faults in a table, a layer, a layer's weights and its loading: caught pair by pair, and by a golden alone."""

import re

import pytest
from planted import SCALE, SHIFT, Sheet
from spoilt import give_axes, swap_layers, swap_vectors

import xframe

PAIRS = [("paddle", "torch"), ("torch", "paddle"), ("torch", "keras")]


def right(spoil=None, **knobs):
    return lambda source, target: made(Sheet(source, target, knobs), spoil)


def made(sheet, spoil):
    if spoil is not None:
        spoil(sheet)
    return sheet


# By fault, a table that is right, one of the same kinds that is wrong in the target's column, and what must be said.
FAULTS = {
    "row": (right(), right(swap_layers("bn1", "bn2")), r"parts at +bn1 / bn2 \(batch_norm\)"),
    "transpose": (
        right(give_axes("i o", "i o", "square")),
        right(give_axes("i o", "o i", "square")),
        r"parts at +square \(own\)[^\0]*cause +missing transpose:",
    ),
    "epsilon": (
        right(),
        right(epsilon=1.001e-5),
        r"parts at +bn1 \(batch_norm\)[^\0]*cause +epsilon: epsilon is 1e-05 in .*1.001e-05",
    ),
    "weights": (
        right(swap_vectors(SCALE, SCALE)),
        right(swap_vectors(SCALE, SHIFT)),
        r"parts at +bn2 \(batch_norm_swapped\)[^\0]*cause +swapped tensors:",
    ),
    "unloaded": (right(), right(loader="skipping"), r"the model holds other values at 'bn2"),
    "pool": (right(), right(pool="avg"), r"parts at +dense1 \(linear_after_flatten\)"),
    "unregistered": (right(), right(listed="list"), r"blocks\S*: in (paddle|torch), this Linear is .* not registered"),
}
CASES = [(fault, *pair) for fault in FAULTS for pair in PAIRS if (fault, pair[1]) != ("unregistered", "keras")]
# Keras's own loader reads files, and a golden is put into the model's variables.
ALONE = [case for case in CASES if (case[0], case[2]) != ("unloaded", "keras")]


@pytest.mark.parametrize(("fault", "source", "target"), CASES)
def test_by_the_pair(failure, small, fault, source, target):
    fine, wrong, says = FAULTS[fault]
    line = xframe.equivalence(small(fine(source, target)))
    assert not failure(line, f"{source}-{target}")
    small(wrong(source, target))
    said = failure(line, f"{source}-{target}")
    assert re.search(says, said), said


@pytest.mark.parametrize(("fault", "source", "target"), ALONE)
def test_by_a_golden(failure, small, fault, source, target):
    fine, wrong, says = FAULTS[fault]
    line = xframe.golden(small(fine(source, target)))
    assert not failure(line, source, record="")
    assert not failure(line, target)
    small(wrong(source, target))
    assert not failure(line, source)
    said = failure(line, target)
    assert re.search(says, said), said
