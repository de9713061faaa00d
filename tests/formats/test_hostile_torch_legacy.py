"""PyTorch files of the old format whose pickles, keys or storages are not what a writer would write."""

import struct
from collections import OrderedDict

import numpy as np
import pytest
from hostile import call, integer, text
from legacy_torch import COUNT, DATA, MAGIC, SYS_INFO, dumped, legacy, state, storage, tensor

from xframe import checkpoints
from xframe.errors import CheckpointError, UnsafeCheckpoint


def refuse(tmp_path, content, match=None, error=CheckpointError):
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(error, match=match) as raised:
        checkpoints.read(path)
    assert str(path) in str(raised.value)
    assert str(raised.value).isprintable()


def read(tmp_path, content):
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    return checkpoints.read(path)


def test_the_builders_build_what_is_read(tmp_path):
    found = read(tmp_path, legacy())
    assert (found.format, found.notes, str(found.specs[0])) == ("torch (legacy)", (), "x float32[2, 3]")
    assert np.array_equal(found.tensors["x"].array(), np.arange(6, dtype="f4").reshape(2, 3))


def test_a_tensor_of_before_0_4(tmp_path):
    v1 = tensor(function="_rebuild_tensor", rest=b"", size=(3, 2), stride=(1, 3))
    assert np.array_equal(read(tmp_path, legacy(v1)).tensors["x"].array(), np.arange(6, dtype="f4").reshape(2, 3).T)


def test_a_tensor_of_0_4_without_hooks(tmp_path):
    """Its hooks are None, as in lpips's weights; only none are none, and later functions never wrote that."""
    none = tensor(rest=b"\x89N")
    assert np.array_equal(read(tmp_path, legacy(none)).tensors["x"].array(), np.arange(6, dtype="f4").reshape(2, 3))
    for hooks in (b"K\x00", b"\x89", b")", b"]", b"}" + text("hook") + b"K\x01s"):
        refuse(tmp_path, legacy(tensor(rest=b"\x89" + hooks)), "other arguments|no backward hooks")
    v3 = tensor(function="_rebuild_tensor_v3", rest=b"\x89Nctorch\nfloat32\n")
    refuse(tmp_path, legacy(v3), "other arguments")


def test_strings_and_ordered_dicts_of_python_2(tmp_path):
    """Python 2 wrote str as SHORT_BINSTRING, and an OrderedDict as a call with a list of pairs."""

    def short(value):
        return b"U" + bytes([len(value)]) + value.encode()

    hooks = b"ccollections\nOrderedDict\n]\x85R"
    place = b"(" + short("storage") + b"ctorch\nFloatStorage\n" + short("k") + short("cpu") + integer(6) + b"NtQ"
    pair = b"]" + short("x") + b"a" + tensor(place=place, rest=b"\x89" + hooks) + b"a"
    metadata = b"}" + short("_metadata") + b"ccollections\nOrderedDict\n]\x85Rsb"
    whole = b"\x80\x02ccollections\nOrderedDict\n](" + pair + b"e\x85R" + metadata + b"."
    info = b"\x80\x02}(" + short("protocol_version") + b"M\xe9\x03" + short("little_endian") + b"\x88"
    info += short("type_sizes") + b"}u."
    keys = b"\x80\x02]" + short("k") + b"a."
    found = read(tmp_path, dumped(MAGIC) + dumped(1001) + info + whole + keys + COUNT + DATA)
    assert str(found.specs[0]) == "x float32[2, 3]"


@pytest.mark.parametrize(
    "pairs", [b"]K\x01a", b"](]K\x01aK\x02e", b"](]" + b"(K\x01K\x02e" + b"](K\x01K\x02ee", b"K\x01"]
)
def test_pairs_that_are_none(tmp_path, pairs):
    refuse(
        tmp_path,
        legacy(whole=b"\x80\x02ccollections\nOrderedDict\n" + pairs + b"\x85R."),
        r"pairs of a key|OrderedDict\(pairs\)",
    )


def test_pairs_are_not_expanded_over_and_over(tmp_path):
    pairs = b"]q\x01(" + b"]" + b"(K\x01K\x02e" + b"e"
    again = b"ccollections\nOrderedDict\nh\x01\x85R"
    whole = b"\x80\x02}(" + text("a") + b"ccollections\nOrderedDict\n" + pairs + b"\x85R" + text("b") + again + b"u."
    refuse(tmp_path, legacy(whole=whole, keys=(), storages=b""), "pairs of a key")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"version": 1002}, "1001"), ({"version": 1001.5}, "1001"), ({"version": "1001"}, "1001"),
        ({"info": {**SYS_INFO, "little_endian": False}}, "big-endian"), ({"info": {}}, "byte order"),
        ({"info": {**SYS_INFO, "little_endian": 1}}, "byte order"), ({"info": {**SYS_INFO, "more": 1}}, "byte order"),
        ({"info": {**SYS_INFO, "protocol_version": 7}}, "byte order"), ({"info": 3}, "byte order"),
        ({"keys": ()}, "storages of its tensors"), ({"keys": ("k", "k")}, "storages of its tensors"),
        ({"keys": ("k", "l")}, "storages of its tensors"), ({"keys": ("l",)}, "storages of its tensors"),
        ({"keys": (7,)}, "storages of its tensors"),
        ({"storages": b""}, "end of the file"), ({"storages": COUNT}, "end of the file"),
        ({"storages": COUNT + DATA[:-1]}, "end of the file"), ({"storages": COUNT + DATA + b"x"}, "1 more bytes"),
        ({"storages": struct.pack("<q", 24) + DATA}, "6 elements"),
        ({"storages": struct.pack("<q", -6) + DATA}, "6 elements"),
        ({"storages": struct.pack("<q", 2**62 + 6) + DATA}, "6 elements"),
        ({"storages": struct.pack(">q", 6) + DATA}, "6 elements"),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit(tmp_path, options, match):
    refuse(tmp_path, legacy(**options), match)


def test_the_keys_are_a_list(tmp_path):
    content = legacy(keys=(), storages=b"").removesuffix(dumped([]))
    refuse(tmp_path, content + dumped(("k",)) + COUNT + DATA, "storages of its tensors")


def test_the_count_of_an_empty_storage_must_be_there(tmp_path):
    empty = tensor(place=storage(numel=0), size=(0,), stride=(1,))
    assert read(tmp_path, legacy(empty, storages=bytes(8))).tensors["x"].array().shape == (0,)
    refuse(tmp_path, legacy(empty, storages=bytes(7)), "end of the file")
    refuse(tmp_path, legacy(empty, storages=b""), "end of the file")


@pytest.mark.parametrize(
    "value",
    [
        tensor(offset=1), tensor(size=(3, 3)), tensor(stride=(4, 1)), tensor(stride=(-3, 1)),
        tensor(size=(2**40, 2**40)),
        tensor(place=storage(numel=5)), tensor(place=storage(numel=2**62)), tensor(place=storage(numel=-6)),
        tensor(place=storage(kind="torch\nDoubleStorage")), tensor(place=storage(kind="torch\nQInt8Storage")),
        tensor(size=(10_000,), stride=(0,)), tensor(place=storage(first="module")), tensor(place=storage(last=b"")),
        tensor(place=storage(last=b"NN")), tensor(place=storage(last=b"K\x00")), tensor(function="_rebuild_tensor"),
        tensor(rest=b""), tensor(function="_rebuild_tensor_v3"), text("storage") + b"Q",
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit(tmp_path, value):
    refuse(tmp_path, legacy(value))


def test_a_view_of_a_storage(tmp_path):
    view = b"(" + text("v") + integer(0) + integer(6) + b"t"
    refuse(tmp_path, legacy(tensor(place=storage(last=view))), "part of one.*torch.save its state_dict")


def test_a_storage_of_two_sizes(tmp_path):
    """The second mention is smaller than the record, so that nothing else could notice."""
    small = tensor(place=storage(numel=3), size=(3,), stride=(1,))
    whole = b"\x80\x02}(" + text("x") + tensor() + text("y") + small + b"u."
    refuse(tmp_path, legacy(whole=whole), "24 bytes in storage k, as before")


def test_a_storage_that_no_tensor_is_in(tmp_path):
    found = read(tmp_path, legacy(storage()))
    assert (dict(found.tensors), dict(found.metadata)) == ({}, {"x": "a storage of 24 bytes"})


@pytest.mark.parametrize(
    "value", [call("os", "system", text("true")), call("torch", "load", text("x")), b"cos\nsystem\n"]
)
def test_calls_outside_the_table(tmp_path, value):
    refuse(tmp_path, legacy(value), "nothing was imported or called", UnsafeCheckpoint)


@pytest.mark.parametrize("part", ["version", "info"])
def test_globals_where_there_are_none(tmp_path, part):
    refuse(tmp_path, legacy(**{part: OrderedDict()}), "collections.OrderedDict", UnsafeCheckpoint)


def test_a_persistent_id_in_the_head(tmp_path):
    head = dumped(MAGIC) + b"\x80\x02" + text("k") + b"Q."
    refuse(tmp_path, head + legacy()[len(dumped(MAGIC) + dumped(1001)) :], "no persistent ids")


def test_a_frame_that_hides_the_next_pickle(tmp_path):
    """Readers that take a frame whole would go on after it, others right after STOP."""
    value = state(tensor())[2:]
    framed = b"\x80\x04\x95" + struct.pack("<Q", len(value)) + value
    assert read(tmp_path, legacy(whole=framed)).tensors
    beyond = b"\x80\x04\x95" + struct.pack("<Q", len(value) + 4) + value
    refuse(tmp_path, legacy(whole=beyond), "frame to end with its pickle")


def test_cut_off_anywhere(tmp_path):
    content = legacy()
    for length in range(len(content)):
        refuse(tmp_path, content[:length])


@pytest.mark.parametrize("size", [1, 5, 64])
def test_bytes_in_between(tmp_path, size):
    content = legacy()
    for place in range(0, len(content) + 1, 3):
        try:
            tensors = read(tmp_path, content[:place] + b"\0" * size + content[place:]).tensors
        except CheckpointError:
            continue
        assert all(held.array().nbytes == held.spec.nbytes for held in tensors.values())
        pytest.fail(f"{size} bytes at {place} were not noticed")
