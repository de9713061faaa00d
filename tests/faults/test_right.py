"""The small networks without a fault: what the other tests here spoil is equivalent to begin with."""

import pytest
from planted import PAIRS, Sheet


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_equivalent(plant, source, target):
    result = plant(Sheet(source, target))
    assert (result.verdict, result.exit_code) == ("equivalent", 0)
    assert result.proof.float64.max_rel <= 1e-12
    assert result.out.exists()
