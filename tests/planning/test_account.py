"""What an account sees of values that pass: NaN and infinity anywhere in a strip, and what a conversion costs."""

import numpy as np
import pytest

from xframe.dtypes import Loss
from xframe.planning import Account
from xframe.tensors import STORAGE, TensorSpec

BAD = {
    "float64": [np.nan, np.inf, -np.inf],
    "float32": [np.nan, np.inf, -np.inf],
    "float16": [np.nan, np.inf, -np.inf],
    "bfloat16": [0x7FC0, 0x7F80, 0xFF80],
    "float8_e5m2": [0x7F, 0x7C, 0xFC],
    "float8_e4m3fn": [0x7F, 0xFF],
}


@pytest.mark.parametrize(("dtype", "bad"), [(dtype, bad) for dtype, values in BAD.items() for bad in values])
@pytest.mark.parametrize("place", [0, 500, 999])
def test_one_bad_value_is_seen_wherever_it_is(dtype, bad, place):
    values = np.zeros(1000, STORAGE[dtype])
    values[place] = bad
    account = Account()
    assert account.passed(values, TensorSpec("x", (1000,), dtype), dtype) is values
    account.passed(np.zeros(1000, STORAGE[dtype]), TensorSpec("y", (1000,), dtype), dtype)
    assert account.nonfinite == ("x",)


def test_large_values_and_integers_are_no_matter():
    account = Account()
    for dtype in ("float32", "float64", "int64", "bool"):
        values = np.full(1000, np.finfo(dtype).max if "float" in dtype else 1, dtype)
        account.passed(values, TensorSpec(dtype, (1000,), dtype), dtype)
    account.passed(np.empty(0, "f4"), TensorSpec("empty", (0,), "float32"), "float32")
    assert account.nonfinite == ()


def test_losses_add_up():
    account = Account()
    spec = TensorSpec("x", (2,), "float32")
    for _ in range(3):
        account.passed(np.array([1e6, 1 + 2**-20], np.float32), spec, "float16")
    assert account.loss == Loss(overflowed=3, rounded=3)
