"""Gradients that are 0 but for rounding agree; those that are small and wrong do not."""

from dataclasses import replace

import numpy as np
import pytest

from xframe.comparison import Tolerance, compare
from xframe.proving.gradient_diff import NOISE, GradientDiff, _over_noise
from xframe.workflows.diff import DiffOptions, diff

WORDS = "docs/examples/words.toml"  # attention: a softmax does not see what the bias of the keys adds


def test_attention_s_key_bias_has_no_gradient(pool, monkeypatch, pytestconfig):
    monkeypatch.chdir(pytestconfig.rootpath)
    found = diff(WORDS, "torch", "keras", DiffOptions(gradients=True), pool=pool)
    assert found.verdict == "equivalent"
    (keys,) = [each for each in found.gradients.diffs if each.target_name == "attention/key/bias"]
    assert keys.comparison.passed
    assert keys.comparison.max_rel <= NOISE


@pytest.mark.parametrize(("size", "passes"), [(0.1 * NOISE, True), (10 * NOISE, False)])
def test_the_bound(size, passes):
    """Of two gradients that have nothing in common, beside one of size 1."""
    one, other = np.array([size, 0.0]), np.array([0.0, size])
    small = GradientDiff(source_name="a", target_name="b", comparison=compare(one, other, Tolerance()))
    assert not small.comparison
    (found,) = _over_noise([small], [np.array([1.0]), one])
    assert bool(found.comparison) == passes
    shapes = replace(small, comparison=compare(one, np.zeros(3), Tolerance()))
    assert not next(_over_noise([shapes], [np.array([1.0])])).comparison
