"""Conversions on purpose, and their bill."""

import numpy as np
import pytest

from xframe.dtypes import Loss, as_numbers, check_float, convert, is_finite
from xframe.errors import UsageError
from xframe.tensors import STORAGE


def test_widening_is_exact_and_free():
    values = np.array([1.5, -2.25, 3e-5], np.float16)
    wide, loss = convert(values, "float16", "float64")
    assert loss == Loss()
    assert np.array_equal(wide, values.astype(np.float64))


def test_narrowing_counts_what_it_rounds_and_what_overflows():
    narrow, loss = convert(np.array([1.0, 1.0 + 2**-20, 1e6, np.inf, np.nan], np.float32), "float32", "float16")
    assert loss == Loss(overflowed=1, rounded=1)
    assert np.isinf(narrow[2])


def test_bfloat16_travels_as_bits_and_rounds_to_nearest():
    bits, loss = convert(np.array([1.0, 1.0 + 2**-7, 1.0 + 2**-8 + 2**-12], np.float32), "float32", "bfloat16")
    assert bits.dtype == np.uint16
    assert list(bits) == [0x3F80, 0x3F81, 0x3F81]
    assert loss == Loss(rounded=1)
    assert list(convert(bits, "bfloat16", "float32")[0]) == [1.0, 1.0 + 2**-7, 1.0 + 2**-7]


def test_finiteness_of_bits():
    assert is_finite(np.array([0x3F80], np.uint16), "bfloat16")
    assert not is_finite(np.array([0x7F80], np.uint16), "bfloat16")
    assert is_finite(np.array([1], np.int64), "int64")
    assert not is_finite(np.array([0x7F], np.uint8), "float8_e4m3fn")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_every_number_of_16_bits(dtype):
    bits = np.arange(2**16, dtype=np.uint16).view(STORAGE[dtype])
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(as_numbers(bits, dtype))
    assert 2**16 - finite.sum() == 2 * (2**10 if dtype == "float16" else 2**7)
    assert [is_finite(bits[at : at + 1], dtype) for at in range(2**16)] == finite.tolist()
    assert is_finite(bits[finite], dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_number_among_many(dtype, value):
    """Wherever it stands, next to the largest, the smallest and both zeros, in an array that is not aligned too."""
    limits = np.finfo(dtype)
    among = [limits.max, limits.min, limits.smallest_subnormal, 0.0, -0.0]
    for at in (0, 1, 15, 16, 31, 99, 100):
        values = np.resize(np.array(among, dtype), 101)
        assert is_finite(values, dtype)
        values[at] = value
        assert not is_finite(values, dtype)
        assert not is_finite(np.frombuffer(b"?" + values.tobytes(), dtype, offset=1), dtype)
        assert not is_finite(values[::-1], dtype)


def test_an_unknown_dtype_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="float16"):
        check_float("int8")
