"""Tests of the networks here: a line a table."""

import xframe

test_digits = xframe.equivalence("digits.toml")
test_digits_alone = xframe.golden("digits.toml", record="paddle")


def test_a_figure_of_ones_own(xframe_diff):
    """The layers agree a thousand times better than they have to."""
    result = xframe_diff("digits.toml", "paddle", "torch")
    assert all(call.free.max_rel < 1e-12 for call in result.layers.calls)
