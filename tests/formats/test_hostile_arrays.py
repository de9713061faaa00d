"""Pickled numpy arrays that are none, or are not there."""

import pickle

import numpy as np
import pytest
from hostile import array, call, dtype, integer, refuse, state_dict, text

from xframe import checkpoints


@pytest.mark.parametrize(
    "value",
    [
        array(shape=b"K\x03\x85"), array(shape=b"J\xff\xff\xff\xff\x85"), array(shape=b"\x88K\x02\x86"),
        array(shape=integer(2**62) + b"K\x04\x86"), array(shape=b"(" + integer(2**40) * 60 + b"t"),
        array(shape=b"K\x00" + integer(2**62) + b"\x86", data=b"C\x00"), array(shape=b"(" + b"K\x01" * 65 + b"t"),
        array(shape=b"]"), array(shape=b"K\x02"), array(kind=dtype("O8", "|")), array(kind=dtype("f4", ">")),
        array(kind=dtype("V8", "|")), array(kind=dtype("M8")), array(kind=dtype("f16")), array(kind=dtype("U2")),
        array(kind=dtype("x")), array(kind=dtype("")), array(kind=b"K\x01"), array(kind=dtype("f4", "=")),
        array(data=b"N"), array(data=b"C\x09" + bytes(9)), array(data=b"C\x07" + bytes(7)),
        array(data=b"]"), array(data=b"K\x08"), array(data=text("\u20ac" * 8)), array(fortran=b"K\x01"),
        call("numpy.core.multiarray", "_reconstruct", b"cnumpy\nndarray\n", b"K\x00\x85", b"C\x02bb"),
        call("numpy.core.multiarray", "_reconstruct", b"cnumpy\ndtype\n", b"K\x00\x85", b"C\x01b"),
        call("numpy.core.multiarray", "_reconstruct"), call("numpy", "dtype"), call("numpy", "dtype", text("f4")),
        call("numpy", "dtype", b"]", b"\x89", b"\x88"), call("numpy", "ndarray", b"K\x02"), dtype() + b"Nb",
        array() + b"}b",
        call("numpy.core.numeric", "_frombuffer", b"C\x08" + bytes(8), dtype(), b"K\x03\x85", text("C")),
        call("numpy.core.numeric", "_frombuffer", b"C\x08" + bytes(8), dtype(), b"K\x02\x85", text("A")),
        call("_codecs", "encode", text("x"), text("rot13")), call("_codecs", "encode", text("x"), text("zlib")),
        call("_codecs", "encode", text("\u20ac"), text("latin1")), call("builtins", "tuple", b"]"),
        call("builtins", "bytes", b"K\x09"), call("collections", "OrderedDict", b"]"),
        call("numpy.core.multiarray", "scalar", dtype()),
        *(call("numpy.core.multiarray", "scalar", dtype("f8"), data) for data in (
            b"C\x07" + bytes(7), b"C\x09" + bytes(9), b"C\x00", b"C\x11" + bytes(17), b"U\x04abcd", text("abc"),
            text("\u20ac" * 8), b"K\x08",
        )),
    ],
)  # fmt: skip
def test_arrays_that_are_none(tmp_path, value):
    refuse(tmp_path, state_dict(value))


def test_an_array_of_python_2(tmp_path):
    """Its bytes are a str: BINSTRING, or SHORT_BINSTRING where they are few; its flags are integers."""
    kind = (
        call("numpy", "dtype", b"U\x02f4", b"K\x00", b"K\x01")
        + b"(K\x03U\x01<NNN"
        + b"J\xff\xff\xff\xff" * 2
        + b"K\x00tb"
    )
    empty = call("numpy.core.multiarray", "_reconstruct", b"cnumpy\nndarray\n", b"K\x00\x85", b"U\x01b")
    values = np.array([1.5, -2.0], "f4")
    for data in (b"U\x08" + values.tobytes(), b"T\x08\x00\x00\x00" + values.tobytes()):
        content = state_dict(empty + b"(K\x01K\x02\x85" + kind + b"\x89" + data + b"tb", 2)
        assert np.array_equal(pickle.loads(content, encoding="latin1")["x"], values)
        (tmp_path / "a.pdparams").write_bytes(content)
        assert np.array_equal(checkpoints.read(tmp_path / "a.pdparams").tensors["x"].array(), values)


def test_set_item_and_build_on_an_array(tmp_path):
    refuse(tmp_path, state_dict(array() + b"K\x00K\x01s"))
    refuse(tmp_path, state_dict(array() + b"K\x01a"))
    refuse(tmp_path, state_dict(array() + b"}" + text("shape") + b"K\x01sb"))
    refuse(tmp_path, state_dict(b"cnumpy\nndarray\n" + b"}b"))


def test_an_array_that_is_never_built_is_no_tensor(tmp_path):
    path = tmp_path / "a.pdparams"
    path.write_bytes(
        state_dict(call("numpy.core.multiarray", "_reconstruct", b"cnumpy\nndarray\n", b"K\x00\x85", b"C\x01b"))
    )
    read = checkpoints.read(path)
    assert read.tensors == {}
    assert "<EmptyArray>" in read.metadata.values()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_an_array_under_two_names(tmp_path, protocol):
    """It is in the memo before BUILD gives it its values."""
    value = np.arange(3.0)
    (tmp_path / "a.pdparams").write_bytes(pickle.dumps({"a": value, "b": value}, protocol))
    tensors = checkpoints.read(tmp_path / "a.pdparams").tensors
    assert np.array_equal(tensors["a"].array(), value)
    assert np.array_equal(tensors["b"].array(), value)


def test_an_array_in_fortran_order(tmp_path):
    value = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    (tmp_path / "a.pdparams").write_bytes(pickle.dumps({"a": value}, 4))
    assert np.array_equal(checkpoints.read(tmp_path / "a.pdparams").tensors["a"].array(), value)


def test_big_endian_arrays_are_refused_as_such(tmp_path):
    assert "big-endian" in refuse(tmp_path, pickle.dumps({"x": np.ones(2, ">f4")}, 4))


NUMBERS = [
    np.float64(0.9375), np.float32(-0.1), np.float16("nan"), np.int64(-(2**63)), np.uint8(255), np.bool_(True),
    np.complex64(1 - 2j), np.complex128(0.5j), np.int16(-3), np.uint32(2**32 - 1),
]  # fmt: skip


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.dtype.name)
def test_a_number_of_numpy_is_told_by_its_value(tmp_path, number, protocol):
    (tmp_path / "a.pdparams").write_bytes(pickle.dumps({"best": number, "w": np.ones(2)}, protocol))
    read = checkpoints.read(tmp_path / "a.pdparams")
    assert read.metadata == {"best": str(number)}
    assert read.tensors.keys() == {"w"}


def test_a_scalar_that_no_tensor_holds_is_told_by_its_dtype(tmp_path):
    scalar = call("numpy.core.multiarray", "scalar", dtype("f16"), b"C\x10" + bytes(16))
    (tmp_path / "a.pdparams").write_bytes(state_dict(scalar))
    assert "a scalar of numpy's dtype f16" in checkpoints.read(tmp_path / "a.pdparams").metadata.values()
