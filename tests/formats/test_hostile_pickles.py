"""Pickles that ask for code, memory or patience. Each must end in one typed error, or mean what it harmlessly means."""

import io
import pickle
import struct

import numpy as np
import pytest
from hostile import MARKER, NAMED, array, call, refuse, short, state_dict, text

from xframe import checkpoints
from xframe.checkpoints.paddle.params import RULES
from xframe.checkpoints.pickles.cursor import Cursor
from xframe.checkpoints.pickles.symbolic import interpret
from xframe.errors import CheckpointError, UnsafeCheckpoint

TOUCH = text(f"touch {MARKER}")


class Reduced:
    """Pickled as a call of ``function``, which is imported only here, by the attacker."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_the_builders_build_what_is_read(tmp_path):
    path = tmp_path / "a.pdparams"
    path.write_bytes(state_dict(array()))
    assert str(checkpoints.read(path).specs[0]) == "x float32[2]"
    assert np.array_equal(pickle.loads(path.read_bytes())["x"], np.zeros(2, "f4"))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_system_by_reduce(tmp_path, protocol):
    import os

    content = pickle.dumps({"x": Reduced(os.system, f"touch {MARKER}")}, protocol)
    assert "posix.system" in refuse(tmp_path, content, UnsafeCheckpoint)


def test_system_by_reduce_in_protocol_0(tmp_path):
    message = refuse(tmp_path, b"cos\nsystem\n(S'touch x'\ntR.", UnsafeCheckpoint)
    assert "os.system" in message
    assert "byte 0" in message
    assert "nothing was imported or called" in message


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"), ("posix", "system"), ("builtins", "exec"), ("builtins", "getattr"), ("builtins", "dict"),
        ("subprocess", "Popen"), ("pkgutil", "resolve_name"), ("operator", "methodcaller"), ("operator", "attrgetter"),
        ("functools", "partial"), ("importlib", "import_module"), ("torch.storage", "_load_from_bytes"),
        ("numpy", "load"), ("numpy", "fromfile"), ("numpy", "memmap"), ("numpy.core.multiarray", "fromfile"),
        ("numpy.core.numeric", "load"), ("numpy.testing._private.utils", "runstring"), ("collections", "namedtuple"),
        ("_codecs", "lookup"), ("codecs", "encode"), ("copyreg", "_reconstructor"), ("numpy.ma.core", "_mareconstruct"),
        ("torch._utils", "_rebuild_tensor_v2"), ("paddle", "load"), ("builtins", "eval.__call__"),
        ("numpy", "dtype.type"),
    ],
)  # fmt: skip
def test_a_name_outside_the_table(tmp_path, module, name):
    for content in (
        state_dict(call(module, name, TOUCH)),
        state_dict(short(module) + short(name) + b"\x93" + b"(" + TOUCH + b"tR"),
        state_dict(f"c{module}\n{name}\n".encode()),
    ):
        assert f"{module}.{name}" in refuse(tmp_path, content, UnsafeCheckpoint)


def test_stack_global_through_the_memo(tmp_path):
    content = (
        b"\x80\x04}"
        + short("posix")
        + b"\x94"
        + short("system")
        + b"\x94"
        + NAMED
        + b"h\x00h\x01\x93"
        + TOUCH
        + b"\x85Rs."
    )
    assert "posix.system" in refuse(tmp_path, content, UnsafeCheckpoint)


def test_dotted_attribute_of_a_known_module(tmp_path):
    content = state_dict(short("numpy.core.multiarray") + short("_reconstruct.__globals__") + b"\x93")
    assert "_reconstruct.__globals__" in refuse(tmp_path, content, UnsafeCheckpoint)


@pytest.mark.parametrize(
    "arguments",
    [
        (text("__import__('os').system('x')"), b"}"),
        (text("data"), b"}" + text("data") + b"K\x01s"),
        (text("data"), b"}" + text("data") + array() + b"s" + text("more") + array() + b"s"),
        (text("data "), b"}" + text("data") + array() + b"s"),
        (text("data"), b"}" + text("data") + array() + b"s", b"}"),
        (text("data"),),
    ],
)
def test_eval_of_anything_but_the_one_form(tmp_path, arguments):
    for module in ("builtins", "__builtin__"):
        assert "eval" in refuse(tmp_path, state_dict(call(module, "eval", *arguments)), UnsafeCheckpoint)


def test_eval_in_the_form_that_paddle_writes_stands_for_its_array(tmp_path):
    path = tmp_path / "a.pdparams"
    value = np.arange(3.0)
    path.write_bytes(pickle.dumps({"x": Reduced(eval, "data", {"data": value})}, 4))
    assert np.array_equal(checkpoints.read(path).tensors["x"].array(), value)


def test_eval_is_refused_where_nobody_would_look(tmp_path):
    hidden = (
        b"}"
        + text("StructuredToParameterName@@")
        + b"}"
        + text("k")
        + call("builtins", "eval", text("1"), b"}")
        + b"ss."
    )
    assert "eval" in refuse(tmp_path, b"\x80\x04" + hidden, UnsafeCheckpoint)


@pytest.mark.parametrize(
    ("opcode", "name"),
    [
        (b"(ios\nsystem\n", "INST"), (b"(" + TOUCH + b"o", "OBJ"), (b"0", "POP"), (b"1", "POP_MARK"), (b"2", "DUP"),
        (b"\x82\x01", "EXT1"), (b"\x83\x01\x00", "EXT2"), (b"\x84\x01\x00\x00\x00", "EXT4"), (b")\x81", "NEWOBJ"),
        (b"}\x92", "NEWOBJ_EX"), (b"P0\n", "PERSID"), (b"\x97", "NEXT_BUFFER"), (b"\x98", "READONLY_BUFFER"),
        (b"\x8f", "EMPTY_SET"), (b"\x90", "ADDITEMS"), (b"\x91", "FROZENSET"), (b"I1\n", "INT"), (b"L1L\n", "LONG"),
        (b"\x8b\x00\x00\x00\x00", "LONG4"), (b"V1\n", "UNICODE"), (b"S'1'\n", "STRING"), (b"F1\n", "FLOAT"),
        (b"d", "DICT"),
        (b"l", "LIST"), (b"g0\n", "GET"), (b"p0\n", "PUT"), (b"\xff", "0xff"), (b"\x00", "0x00"),
    ],
)  # fmt: skip
def test_opcodes_that_no_state_dict_needs(tmp_path, opcode, name):
    message = refuse(tmp_path, state_dict(opcode))
    assert f"found {name}." in message.replace("the byte ", "")
    assert "byte 9" in message or opcode[:1] in b"()}"


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04.", b"\x80\x04N.", b"\x80\x04(.", b"\x80\x04]0.", b"\x80\x04}}.", b"\x80\x04}(.", b"\x80\x04s.",
        b"\x80\x04}" + NAMED + b"s.", b"\x80\x04u.", b"\x80\x04(u.", b"\x80\x04](K\x01u.",
        b"\x80\x04}(" + NAMED + b"u.",
        b"\x80\x04h\x00.", b"\x80\x04j\xff\xff\xff\xff.", b"\x80\x04\x94.", b"\x80\x04q\x00.", b"\x80\x04}q\x00q\x00.",
        b"\x80\x04t.", b"\x80\x04}" + NAMED + b"N(su.", b"\x80\x04\x85.", b"\x80\x04\x86.", b"\x80\x04K\x01\x87.",
        b"\x80\x04(K\x01(\x85.",
        b"\x80\x04R.",
        b"\x80\x04)R.", b"\x80\x04))R.", b"\x80\x04b.", b"\x80\x04}}b.", b"\x80\x04e.", b"\x80\x04a.",
        b"\x80\x04K\x01K\x01a.",
        b"\x80\x04\x93.", b"\x80\x04K\x01K\x02\x93.", b"\x80\x04Q.", b"\x80\x04K\x01Q.", b"\x80\x04}\x80\x04.",
        b"\x80\x04}K\x01K\x01ss.", b"\x80\x04}]K\x01s.", b"\x80\x04}NK\x01s.", b"\x80\x04})K\x01s.",
        b"\x80\x04}\x88K\x01s.",
        b"\x80\x04c\n\n.", b"\x80\x04c\xc3\xa9\nx\n.", b"\x80\x04c" + b"a" * 300 + b"\nb\n.", b"\x80\x04}.junk",
        b"\x80\x04}..",
        b"\x80\x04X\x02\x00\x00\x00\xff\xff.", b"\x80\x04X\x03\x00\x00\x00\xed\xa0\x80.",
        b"\x80\x04\x8a\xff" + b"\x01" * 255 + b".", b"\x80\x04(}.", b"\x80\x04}(q\x00u.", b"\x80\x04])R.",
        b"\x80\x04}" + NAMED + b"N(\x85t\x86s.", b"\x80\x04]\x8c\x01x\x93.", b"\x80\x04\x8c\x01x]\x93.",
        b"\x80\x04}K\x01a.", b"\x80\x04}" + NAMED + b"ccollections\nOrderedDict\n]Rs.",
        b"\x80\x04})]s.",
    ],
)  # fmt: skip
def test_malformed(tmp_path, content):
    refuse(tmp_path, content)


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_lengths_beyond_the_file(tmp_path, width):
    code = {1: b"C", 4: b"B", 8: b"\x8e"}.get(width, b"\x96")
    for length in (1 << 8 * min(width, 8)) - 1, 1 << (8 * width - 1):
        refuse(tmp_path, state_dict(code + length.to_bytes(max(width, len(code)), "little")))
    refuse(tmp_path, state_dict(b"X" + b"\xff" * 4))
    refuse(tmp_path, state_dict(b"\x8d" + b"\xff" * 8))


@pytest.mark.parametrize("version", [0, 1, 6, 255])
def test_protocols(version):
    content = bytes([0x80, version]) + b"}."
    with pytest.raises(CheckpointError, match=f"protocol {version}"):
        interpret(io.BytesIO(content), len(content), RULES, "a.pdparams")


def test_frames(tmp_path):
    body = b"}" + NAMED + array() + b"s."
    frame = b"\x95" + struct.pack("<Q", len(body))
    path = tmp_path / "a.pdparams"
    path.write_bytes(b"\x80\x04" + frame + body)
    assert list(checkpoints.read(path).tensors) == ["x"]
    for length in (len(body) + 1, 2**63, 2**64 - 1, 3):
        refuse(tmp_path, b"\x80\x04\x95" + struct.pack("<Q", length) + body)
    refuse(tmp_path, b"\x80\x04" + frame + frame + body)
    cut = b"}" + NAMED + b"K"  # its argument lies beyond the frame
    assert "frame is cut off" in refuse(tmp_path, b"\x80\x04\x95" + struct.pack("<Q", len(cut)) + cut + b"\x01s.")
    nested = b"\x95" + struct.pack("<Q", len(body) + 9) + frame + body
    assert "frame inside a frame" in refuse(tmp_path, b"\x80\x04" + nested)


def test_cycles(tmp_path):
    assert "loop" in refuse(tmp_path, b"\x80\x04}\x94" + NAMED + b"h\x00s.")
    assert "loop" in refuse(tmp_path, b"\x80\x04}" + NAMED + b"]\x94h\x00as.")
    both = b"\x80\x04}\x94" + NAMED + b"]\x94" + b"h\x00a" + b"s."
    assert "loop" in refuse(tmp_path, both)


@pytest.mark.parametrize("opening", [b"]", b"}", b"("])
def test_deep_nesting(tmp_path, opening):
    deep = {b"]": b"]" * 20_000 + b"a" * 19_999, b"(": b"(" * 20_000 + b"t" * 20_000}.get(opening)
    deep = deep or (b"}" + NAMED) * 20_000 + b"N" + b"s" * 20_000
    refuse(tmp_path, state_dict(deep))


def test_shared_branches_are_counted_each_time(tmp_path, monkeypatch):
    """Thirty lists, each of which holds the one before ten times: 10 to the 30 leaves in under 2,000 bytes."""
    level = []
    for _ in range(30):
        level = [level] * 10
    content = pickle.dumps({"x": level}, 4)
    monkeypatch.setattr("xframe.checkpoints.tree.MOST_NODES", 10_000)
    assert len(content) < 2000
    assert "over and over" in refuse(tmp_path, content)


def test_nesting_has_a_bound(tmp_path):
    def nested(levels):
        return {"x": nested(levels - 1)} if levels else {"x": np.ones(2)}

    (tmp_path / "a.pdparams").write_bytes(pickle.dumps(nested(60), 4))
    assert len(checkpoints.read(tmp_path / "a.pdparams").tensors) == 1
    assert "levels of nesting" in refuse(tmp_path, pickle.dumps(nested(64), 4))


def test_integers_have_a_bound(tmp_path):
    assert "integer of at most" in refuse(tmp_path, state_dict(b"\x8a\xff" + b"\x01" * 255))


def test_a_file_that_shrinks_under_the_reader():
    with pytest.raises(CheckpointError, match="the file ends at 2"):
        Cursor(io.BytesIO(b"ab"), 5, "a.pdparams").take(4)


def test_long_names_are_not_multiplied(tmp_path):
    branch = {f"{index}": index for index in range(1000)}
    tree = {"n" * 100_000 + str(index): branch for index in range(10)}
    refuse(tmp_path, pickle.dumps(tree, 4))


def test_the_number_of_opcodes_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("xframe.checkpoints.pickles.symbolic.MOST_OPCODES", 1000)
    assert "at most 1000 opcodes" in refuse(tmp_path, b"\x80\x04" + b"]" * 1000 + b".")


def test_names_that_come_twice(tmp_path):
    refuse(tmp_path, b"\x80\x04}" + (NAMED + array()) * 1 + b"s" + NAMED + array() + b"s.")
    refuse(tmp_path, pickle.dumps({"a": {"b": np.ones(1)}, "a.b": np.ones(2)}, 4))
    refuse(tmp_path, pickle.dumps({"1": np.ones(1), 1: np.ones(2)}, 4))
