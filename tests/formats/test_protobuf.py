"""The walk through protocol buffers: as the real library reads them, and an error for what is none."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto
from wire import integer, packed, part, varint

from xframe.checkpoints import protobuf
from xframe.checkpoints.protobuf import Span, Steps, mapped, signed
from xframe.errors import CheckpointError

int64s = st.integers(-(2**63), 2**63 - 1)


def span(data, steps=None):
    return Span(memoryview(data), 0, len(data), "here", steps or Steps())


@given(
    dims=st.lists(int64s, max_size=5), name=st.text(max_size=20), raw=st.binary(max_size=40), kind=st.integers(0, 25)
)
def test_a_message_is_read_as_the_library_wrote_it(dims, name, raw, kind):
    written = TensorProto(dims=dims, name=name, raw_data=raw, data_type=kind, int64_data=dims, float_data=[1.5])
    message = span(written.SerializeToString()).message({1, 2, 4, 7, 8, 9})
    assert message.integers(1, 5) == message.integers(7, 5) == tuple(dims)
    assert (message.text(8), message.part(9).tobytes(), message.integer(2)) == (name, raw, kind)
    assert message.part(4).tobytes() == b"\x00\x00\xc0\x3f"


@given(value=st.integers(0, 2**64 - 1), before=st.binary(max_size=3), after=st.binary(max_size=3))
def test_varints(value, before, after):
    found, end = span(before + varint(value) + after).varint(len(before))
    assert (found, end) == (value, len(before) + len(varint(value)))
    assert signed(found) == (value if value < 2**63 else value - 2**64)


@given(st.binary(max_size=40))
def test_any_bytes_are_walked_or_refused(data):
    with contextlib.suppress(CheckpointError):
        assert sum(1 for _ in span(data).fields()) <= len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x08", b"\x08\x80", b"\x08" + b"\xff" * 9 + b"\x02", b"\x08" + b"\x80" * 10 + b"\x00", b"\x00\x00",
        b"\x12\x02a", b"\x12" + b"\xff" * 9 + b"\x01", b"\x0d\x00\x00\x00", b"\x09" + bytes(7), b"\x0b", b"\x0c",
        b"\x0e\x00", b"\x0f\x00", varint(2**32) + b"\x00",
    ],
)  # fmt: skip
def test_what_is_cut_off_or_of_no_wire_type(data):
    with pytest.raises(CheckpointError, match="^here, byte 0: expected"):
        list(span(data).fields())


def test_the_largest_integers_are_read():
    assert list(span(b"\x08" + b"\xff" * 9 + b"\x01").fields()) == [(1, 2**64 - 1)]
    assert list(span(b"\x0d\x01\x00\x00\x80\x09" + b"\x02" + bytes(7)).fields()) == [(1, 2**31 + 1), (1, 2)]


@pytest.mark.parametrize(
    ("data", "ask", "found"),
    [
        (integer(1, 2) * 2, lambda message: message.integer(1), "2 times"),
        (part(1, b"") * 2, lambda message: message.part(1), "2 times"),
        (part(1, b"x"), lambda message: message.integer(1), "found bytes"),
        (integer(1, 2), lambda message: message.part(1), "found an integer"),
        (integer(1, 2), lambda message: message.parts(1), "found an integer"),
        (part(1, b"\xff"), lambda message: message.text(1), "UTF-8"),
        (part(1, b"x" * (2**16 + 1)), lambda message: message.text(1), "65537"),
        (integer(1, 2) * 3, lambda message: message.integers(1, 2), "at most 2 integers"),
        (packed(1, [1, 2, 3]), lambda message: message.integers(1, 2), "at most 2 integers"),
        (part(1, b"\x80"), lambda message: message.integers(1, 2), "cut off"),
    ],
)
def test_fields_of_another_kind_or_number(data, ask, found):
    with pytest.raises(CheckpointError, match=found):
        ask(span(data).message({1}))


def test_fields_that_are_not_there():
    message = span(integer(2, 3)).message({1})
    assert (message.integer(1, 7), message.part(1), message.parts(1), message.text(1)) == (7, None, [], "")
    assert message.integers(1, 0) == ()
    assert message.fields == {}


def test_the_number_of_fields_in_a_file_is_bounded():
    """Nested spans share the bound: a message in a message costs what it would cost beside it."""
    data = part(1, integer(1, 0) * 10) * 10
    for left, enough in ((10 * 11, True), (10 * 11 - 1, False)):
        outer = span(data, Steps(left))
        try:
            walked = sum(1 for _, inner in outer.fields() for _ in inner.fields())
            assert (walked, enough) == (100, True)
        except CheckpointError:
            assert not enough
    assert Steps().left == protobuf.MOST_FIELDS
    with pytest.raises(CheckpointError, match="fields in a file"):
        list(span(b"\x00" * 5, Steps(4)).varints())


def test_a_mapped_file(tmp_path):
    (tmp_path / "a").write_bytes(part(1, b"x" * 100))
    ((number, found),) = Span.whole(mapped(tmp_path / "a"), "a").fields()
    assert (number, found.start, len(found), found.tobytes()) == (1, 2, 100, b"x" * 100)
