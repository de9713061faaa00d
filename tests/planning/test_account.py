"""What an account sees of values that pass: NaN and infinity anywhere in a strip, and what a conversion costs."""

import time
from concurrent.futures import ThreadPoolExecutor

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


def test_names_are_sorted_each_once():
    account = Account()
    for name in ("b", "c", "a", "b"):
        account.passed(np.array([np.nan], "f4"), TensorSpec(name, (1,), "float32"), "float32")
    assert account.nonfinite == ("a", "b", "c")


def test_a_value_that_overflows_on_the_way_was_finite_in_its_source():
    account = Account()
    values = account.passed(np.array([1e6, 1.5], np.float32), TensorSpec("x", (2,), "float32"), "float16")
    assert (values.dtype, values.tolist()) == (np.float16, [np.inf, 1.5])
    assert account.nonfinite == ()
    account.passed(np.array([np.inf], np.float32), TensorSpec("y", (1,), "float32"), "float16")
    assert (account.nonfinite, account.loss) == (("y",), Loss(overflowed=1))


def test_what_is_not_finite_is_seen_before_it_is_converted():
    """As the source's dtype has it: the bits of another would be other numbers."""
    account = Account()
    account.passed(np.array([0x7FC0], "u2"), TensorSpec("nan", (1,), "bfloat16"), "float32")
    account.passed(np.array([0x3F80], "u2"), TensorSpec("one", (1,), "bfloat16"), "float32")
    account.passed(np.array([np.inf], "f4"), TensorSpec("inf", (1,), "float32"), "bfloat16")
    assert account.nonfinite == ("inf", "nan")


def test_no_loss_is_lost_between_threads(monkeypatch):
    add = Loss.__add__

    def slowly(one, other):
        time.sleep(0.01)
        return add(one, other)

    monkeypatch.setattr(Loss, "__add__", slowly)
    account, spec = Account(), TensorSpec("x", (1,), "float32")
    with ThreadPoolExecutor(8) as executor:
        list(executor.map(lambda _: account.passed(np.array([1e6], "f4"), spec, "float16"), range(16)))
    assert account.loss == Loss(overflowed=16)


def passed(account, name, *values):
    account.passed(np.array(values, "f4"), TensorSpec(name, (len(values),), "float32"), "float16")


def test_a_page_is_what_passed_since_the_one_before():
    account = Account()
    assert account.page() == {"overflowed": 0, "rounded": 0, "nonfinite": []}
    passed(account, "b", 1e6, np.nan)
    passed(account, "a", 1 + 2**-20, np.inf)
    assert account.page() == {"overflowed": 1, "rounded": 1, "nonfinite": ["a", "b"]}
    passed(account, "c", 1e6, 1e6)
    assert account.page() == {"overflowed": 2, "rounded": 0, "nonfinite": []}


def test_another_account_s_page_counts_and_stands_on_no_page_of_this_one():
    account = Account()
    passed(account, "a", 1e6, np.nan)
    other = Account()
    passed(other, "b", 1e6)
    other.enter(account.page())
    assert (other.loss, other.nonfinite) == (Loss(overflowed=2), ("a",))
    passed(other, "c", np.nan)
    assert other.page() == {"overflowed": 0, "rounded": 0, "nonfinite": ["c"]}


@pytest.mark.parametrize("change", [
    {"overflowed": -1}, {"rounded": -1}, {"rounded": "1"}, {"rounded": 1.0}, {"nonfinite": "x"}, {"nonfinite": [1]},
    {"nonfinite": None}, {"nonfinite": ["a terminal's \x1b[2J"]},
])  # fmt: skip
def test_what_is_no_page_counts_nothing(change):
    account = Account()
    with pytest.raises(ValueError, match="expected a page of an account"):
        account.enter({"overflowed": 1, "rounded": 1, "nonfinite": ["x"]} | change)
    assert (account.loss, account.nonfinite) == (Loss(), ())
