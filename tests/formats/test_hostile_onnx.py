"""ONNX models that no exporter writes: tensors that do not add up, and external data that leads elsewhere."""

import hashlib
import os

import pytest
from onnx_models import BOOL, INT8, INT32, INT64, STRING, UINT64, model, raw, tensor
from wire import integer, packed, part, varint

from xframe import checkpoints
from xframe.checkpoints.budget import Budget
from xframe.errors import CheckpointError


def external(name="w.data", offset=None, length=None, *more):
    pairs = [("location", name), ("offset", offset), ("length", length), *more]
    said = [part(13, part(1, key) + part(2, str(value))) for key, value in pairs if value is not None]
    return b"".join(said) + integer(14, 1)


def read(folder, *tensors, **options):
    (folder / "m.onnx").write_bytes(model(*tensors, **options))
    return checkpoints.read(folder / "m.onnx")


def values(folder, *tensors, **options):
    return [held.array() for held in read(folder, *tensors, **options).tensors.values()]


def refuse(folder, *tensors, match=None, **options):
    with pytest.raises(CheckpointError, match=match) as raised:
        values(folder, *tensors, **options)
    assert str(raised.value).startswith(str(folder / "m.onnx"))
    assert str(raised.value).isprintable()


def test_the_builders_build_what_is_read(tmp_path):
    (tmp_path / "w.data").write_bytes(bytes(8))
    checkpoint = read(
        tmp_path, tensor(raw()), tensor(external(), name="e"), tensor(packed(5, [1, -1]), kind=INT8, name="t")
    )
    assert [str(spec) for spec in checkpoint.specs] == ["w float32[2]", "e float32[2]", "t int8[2]"]
    assert checkpoint.tensors["t"].array().tolist() == [1, -1]


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (tensor(raw(7)), "8 bytes"), (tensor(raw(9)), "8 bytes"), (tensor(), "found field none"),
        (tensor(raw(), part(4, bytes(8))), "values once"), (tensor(part(4, bytes(8)), packed(7, [1, 2])),
        "values once"),
        (tensor(raw(), part(6, b"x")), "values once"), (tensor(part(6, b"x")), "field 6"),
        (tensor(raw(), raw()), "field 9 once"), (tensor(raw(), name=""), "one without"),
        (tensor(raw(), dims=(-1,)), "a shape"), (tensor(raw(), dims=(2**62, 4)), "a shape"),
        (tensor(raw(), dims=(1,) * 65), "at most 64"), (tensor(raw(), dims=(2**63,)), "a shape"),
        (tensor(raw(), kind=STRING), "text"), (tensor(raw(), kind=0), "data type 0"), (tensor(raw(), kind=22), "int4"),
        (tensor(raw(), kind=99), "data type 99"), (tensor(raw(), part(3, b"")), "a segment"),
        (tensor(raw(), integer(2, 1)), "field 2 once"), (tensor(part(4, bytes(7))), "8 bytes"),
        (tensor(integer(9, 3)), "found an integer"), (tensor(part(4, bytes(8)), kind=INT32), "values once"),
        (tensor(packed(5, [1]), kind=INT32), "2 integers"), (tensor(part(5, bytes(21)), kind=INT32), "2 integers"),
        (tensor(packed(5, [1, 2, 3]), kind=INT32), "2 integers"), (tensor(part(5, b"\x01\x80"), kind=INT32),
        "2 integers"),
        (tensor(packed(5, [1, 2**31]), kind=INT32), "not from"), (tensor(packed(5, [1, 128]), kind=INT8),
        "not from -128"),
        (tensor(packed(5, [1, -129]), kind=INT8), "not from"), (tensor(packed(5, [1, 2]), kind=BOOL), "from 0 to 1"),
        (tensor(packed(5, [1, -1]), kind=10), "not from 0 to 65535"),
        (tensor(part(7, b"\x01" + b"\xff" * 9 + b"\x02"), kind=INT64), "more than 64 bits"),
        (tensor(part(7, b"\x01" + b"\x80" * 10 + b"\x00"), kind=INT64), "more than 64 bits"),
        (tensor(part(7, b"\x80" * 12), kind=INT64), "another number"),
        (tensor(packed(7, [1, 2]), packed(7, [3]), kind=INT64), "field 7 once"),
        (tensor(integer(7, 1), integer(7, 2), kind=INT64), "2 times|an integer"),
        (tensor(raw(), part(13, part(1, "location") + part(2, "x"))), "both said"),
    ],
)  # fmt: skip
def test_tensors_that_do_not_add_up(tmp_path, data, match):
    refuse(tmp_path, data, match=match)


def test_names_twice_and_sparse_ones(tmp_path):
    refuse(tmp_path, tensor(raw()), tensor(raw()), match="every name once")
    refuse(tmp_path, more=part(15, b""), match="a sparse one")


def test_a_shape_bomb_is_refused_before_anything_is_allocated(tmp_path):
    refuse(tmp_path, tensor(packed(7, [0] * 9), kind=INT64, dims=(2**33,)), match="integers for w")
    (tmp_path / "m.onnx").write_bytes(model(tensor(packed(7, [0] * 100), kind=INT64, dims=(100,))))
    with pytest.raises(CheckpointError, match="at most 799 bytes to unpack"):
        checkpoints.read(tmp_path / "m.onnx", Budget(799))
    assert checkpoints.read(tmp_path / "m.onnx", Budget(800)).tensors["w"].array().sum() == 0


def test_integers_across_the_blocks_in_which_they_are_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr("xframe.checkpoints.onnx.tensors._BLOCK", 16)
    sent = [(-1) ** index * 3**index for index in range(39)]
    found = read(tmp_path, tensor(packed(7, sent), kind=INT64, dims=(39,))).tensors["w"].array()
    assert found.tolist() == sent
    most = read(tmp_path, tensor(packed(11, [2**64 - 1, 0]), kind=UINT64)).tensors["w"].array()
    assert most.tolist() == [2**64 - 1, 0]


@pytest.mark.parametrize(
    "location",
    ["../w.data", "sub/../../w.data", "sub/../w.data", "/etc/passwd", "", ".", "sub", "sub/", "sub//w.data", "a\\b",
     "a\0b",
     "link", "linked/w.data", "hard", "pipe", "none", "w.data/x", "x" * 300],
)  # fmt: skip
def test_external_data_that_leads_elsewhere(tmp_path, location):
    folder = tmp_path / "models"
    (folder / "sub").mkdir(parents=True)
    for path in (tmp_path / "w.data", folder / "w.data", folder / "sub" / "w.data", folder / "twin"):
        path.write_bytes(bytes(8))
    (folder / "link").symlink_to("w.data")
    (folder / "linked").symlink_to("sub")
    (folder / "hard").hardlink_to(folder / "twin")
    os.mkfifo(folder / "pipe")
    refuse(folder, tensor(external(location)))
    for sound in ("w.data", "sub/w.data", "./w.data"):
        assert read(folder, tensor(external(sound))).tensors["w"].array().sum() == 0


@pytest.mark.parametrize(
    ("offset", "length", "dims"),
    [
        (-1, 8, (2,)), (0, -8, (2,)), (0, 9, (2,)), (0, 7, (2,)), (9, 8, (2,)), (17, None, (2,)), (0, None, (2,)),
        (2**63, 8, (2,)), (0, 2**64, (2,)), (10**30, 8, (2,)), ("0x0", 8, (2,)), ("", 8, (2,)), ("1_0", 8, (2,)),
        (" 1", 8, (2,)),
        ("٣", 8, (2,)), (0, 2**40, (2**38,)), (17, 0, (0,)), (2**62, None, (0,)),
    ],
)  # fmt: skip
def test_external_places_outside_the_file_or_of_another_size(tmp_path, offset, length, dims):
    (tmp_path / "w.data").write_bytes(bytes(16))
    refuse(tmp_path, tensor(external("w.data", offset, length), dims=dims))


def test_external_places_at_the_very_end(tmp_path):
    (tmp_path / "w.data").write_bytes(bytes(8) + b"\0\0\x80\x3f" * 2)
    for offset, length in ((8, 8), (8, None)):
        assert read(tmp_path, tensor(external("w.data", offset, length))).tensors["w"].array().tolist() == [1, 1]


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        (external() + raw(), "in one place"), (external() + part(4, bytes(8)), "in one place"),
        (external() + part(13, part(1, "location") + part(2, "w.data")), "location again"),
        (external() + external(), "field 14 once"), (integer(14, 1), "a plain path"), (integer(14, 2), "in one place"),
        (external("w.data", 0, 8, ("surprise", 1)), "surprise"),
        (external("w.data", 0, 8, ("checksum", "abc")), "SHA-1"),
        (part(13, part(1, b"\xff")) + integer(14, 1), "UTF-8"),
    ],
)  # fmt: skip
def test_external_data_told_otherwise(tmp_path, fields, match):
    (tmp_path / "w.data").write_bytes(bytes(8))
    refuse(tmp_path, tensor(fields), match=match)


def test_a_checksum_is_of_the_whole_file_and_checked_once_when_values_are_asked_for(tmp_path, monkeypatch):
    path = tmp_path / "w.data"
    path.write_bytes(bytes(16))
    said = ("checksum", hashlib.sha1(bytes(16)).hexdigest())
    tensors = read(
        tmp_path, tensor(external("w.data", 0, 8, said)), tensor(external("w.data", 8, 8, said), name="v")
    ).tensors
    taken = []
    digest = hashlib.file_digest
    monkeypatch.setattr("hashlib.file_digest", lambda *arguments: taken.append(1) or digest(*arguments))
    assert [held.array().tolist() for held in (*tensors.values(), *tensors.values())] == [[0, 0]] * 4
    assert taken == [1]
    path.write_bytes(bytes(15) + b"\1")
    damaged = read(tmp_path, tensor(external("w.data", 0, 8, said))).tensors["w"]
    with pytest.raises(CheckpointError, match="the SHA-1"):
        damaged.array()
    (missing,) = read(tmp_path, tensor(external("w.data", 0, 8, said))).tensors.values()
    path.unlink()
    with pytest.raises(CheckpointError, match="a readable file"):
        missing.array()


def test_deep_nesting_is_walked_without_recursion(tmp_path):
    graph = part(5, tensor(raw()))
    for _ in range(2000):
        graph = part(1, part(5, part(6, graph)))
    checkpoint = read(tmp_path, tensor(raw()), more=graph)
    assert checkpoint.notes == ("left out: 1 initialisers of nested graphs (bodies of If, Loop …)",)


def test_too_many_fields(tmp_path, monkeypatch):
    """Empty nodes take two bytes each."""
    monkeypatch.setattr("xframe.checkpoints.protobuf.Steps.__init__.__defaults__", (100,))
    refuse(tmp_path, tensor(raw()), more=part(1, b"") * 100, match="fields in a file")


@pytest.mark.parametrize(
    "content",
    [
        integer(1, 8), integer(1, 8) + part(2, "me"), integer(1, 0) + part(7, b""), integer(1, 100) + part(7, b""),
        part(7, b""), integer(1, 1) + part(2, b"x" * 5000), integer(1, 1) + part(2, b"x"),
        integer(1, 8) + part(9, b"") + part(7, b""),
        integer(1, 8) + integer(7, 0), integer(1, 8) + varint(7 << 3 | 2) + varint(9), b"\x08", b"\x08" * 50,
        integer(1, 8) + part(6, b"x" * 5000),
    ],
)  # fmt: skip
def test_what_is_no_model(tmp_path, content):
    """A SavedModel of TensorFlow, ``08 01 12 …``, starts like one."""
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(CheckpointError, match="found unknown content"):
        checkpoints.read(tmp_path / "m.onnx")


def test_a_long_description_before_the_graph(tmp_path):
    assert read(tmp_path, tensor(raw()), before=part(6, "x" * 5000)).tensors


def test_two_graphs(tmp_path):
    refuse(tmp_path, tensor(raw()), before=part(7, b""), match="field 7 once")


def test_a_model_that_ends_after_its_graph(tmp_path):
    """Protobuf cannot tell that a file is cut off between two fields; the opset, which every model has, can."""
    content = model(tensor(raw()))
    (tmp_path / "m.onnx").write_bytes(content.removesuffix(part(8, integer(2, 17))))
    with pytest.raises(CheckpointError, match="an opset"):
        checkpoints.read(tmp_path / "m.onnx")
