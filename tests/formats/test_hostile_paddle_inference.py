"""Inference models of Paddle's that Paddle did not write: records, programs and tables of names that do not agree."""

import os
import pickle
import struct

import pytest
from hostile import call, state_dict, text
from inference_models import FEED, FETCH, INT64, RAW, ROWS, desc, parameter, pir, program, record, variable
from wire import integer, part

from xframe import checkpoints
from xframe.checkpoints.budget import Budget
from xframe.errors import CheckpointError, UnsafeCheckpoint


def files(folder, weights=None, **beside):
    """m.pdiparams, and ``json=…`` as m.json."""
    (folder / "m.pdiparams").write_bytes(record() if weights is None else weights)
    for extension, content in beside.items():
        (folder / f"m.{extension.replace('_', '.')}").write_bytes(content)
    return folder / "m.pdiparams"


def refuse(path, match=None, error=CheckpointError):
    with pytest.raises(error, match=match) as raised:
        checkpoints.read(path)
    assert str(path.parent) in str(raised.value)
    assert str(raised.value).isprintable()


def test_the_builders_build_what_is_read(tmp_path):
    path = files(tmp_path, json=pir(parameter()), pdmodel=program(variable()))
    for name in ("m.pdiparams", "m.json", "m.pdmodel"):
        assert [str(spec) for spec in checkpoints.read(path.with_name(name)).specs] == ["a float32[2]"]


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        (record(length=-1), "unknown content"), (record(length=0), "unknown content"),
        (record(length=2**31 - 1), "unknown"),
        (record(said=b"\x10\x02"), "unknown content"), (record(inner=1), "unknown content"),
        (record(version=1), "unknown"),
        (record(levels=17), "unknown content"), (record(levels=2**63), "unknown content"),
        (record(levels=1), "cut off"), (record(levels=16), "cut off"),
        (record(levels=1, lod=struct.pack("<Q", 2**64 - 1)), "cut off"),
        (record(levels=1, lod=struct.pack("<Q", 100)), "cut off"),
        (record(levels=1, lod=struct.pack("<Q", 0), length=-1), "1 to 706 bytes"),
        (record(levels=1, lod=struct.pack("<Q", 0), inner=1), "1 to 706 bytes"),
        (record(said=desc(dims=(-1,))), "a shape"), (record(said=desc(dims=(2**62, 2**62))), "a shape"),
        (record(said=desc(dims=(1,) * 65)), "at most 64"), (record(said=desc(dtype=7)), "type 7"),
        (record(said=desc(dtype=8)), "type 8"), (record(said=desc(dtype=-1)), "type -1"),
        (record(said=desc() + integer(1, 5)), "field 1 once"), (record(said=b"\x08\x05\x12"), "cut off"),
        (record() + b"\0", "found 1 bytes more"), (record() * 2, "bytes more"), (record()[:-1], "cut off"),
        (record(said=desc(dims=(3,)), data=bytes(12)), "found float32\\[3\\]"),
        (record(said=desc(INT64, (1,))), "int64"),
        (record(said=desc(dims=(2, 1))), "found float32\\[2, 1\\]"), (record(said=desc(dims=(2**40,))), "cut off"),
    ],
)  # fmt: skip
def test_records_that_do_not_add_up(tmp_path, weights, match):
    refuse(files(tmp_path, weights, json=pir(parameter())), match)
    path = files(tmp_path, weights, json=pir(parameter())).with_name("m.json")
    refuse(path)


def test_levels_of_detail_are_passed_over_and_noted(tmp_path):
    lod = struct.pack("<QQQ", 8, 0, 0)
    read = checkpoints.read(files(tmp_path, record(b"\0\0\x80\x3f" * 2, levels=2, lod=lod), json=pir(parameter())))
    assert read.tensors["a"].array().tolist() == [1, 1]
    assert "levels of detail" in read.notes[-1]


def test_as_many_records_as_parameters(tmp_path):
    refuse(files(tmp_path, json=pir(parameter(), parameter("b"))), "2 tensors, as its program says; found 1")
    refuse(files(tmp_path, record() * 3, json=pir(parameter(), parameter("b"))), "found 32 bytes more")
    two = checkpoints.read(files(tmp_path, record() * 2, json=pir(parameter("b"), parameter("a"))))
    assert list(two.tensors) == ["a", "b"]


def test_names_are_in_the_order_of_their_code_points(tmp_path):
    names = ["w_2", "w_10", "W", "ü", "w"]
    payload = b"".join(record(struct.pack("<ff", index, 0)) for index in range(5))
    read = checkpoints.read(files(tmp_path, payload, pdmodel=program(*map(variable, names))))
    assert {name: held.array()[0] for name, held in read.tensors.items()} == {
        "W": 0,
        "w": 1,
        "w_10": 2,
        "w_2": 3,
        "ü": 4,
    }


def test_variables_that_paddle_does_not_save(tmp_path):
    others = [
        variable("feed", kind=FEED), variable("fetch", kind=FETCH), variable("raw", kind=RAW),
        variable("x", persistable=0), variable("a"),
    ]  # fmt: skip
    path = files(tmp_path, pdmodel=program(variable(), *others))
    assert list(checkpoints.read(path).tensors) == ["a"]
    fetch = {"#": "1.fetch", "OA": [{"N": "persistable", "AT": {"D": [{"#": "0.a_bool", "D": True}]}}]}
    path = files(tmp_path, pdmodel=program(variable()), json=pir(parameter("b", kept=0), fetch, parameter()))
    assert list(checkpoints.read(path).tensors) == ["a"]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (program(variable(kind=ROWS)), "of type 8"), (program(variable(kind=99)), "of type 99"),
        (program(variable(), variable(said=desc(dims=(3,)))), "every parameter once"),
        (program(variable("")), "one without"),
        (program(variable(said=desc(dtype=25))), "type 25"), (program(variable(said=desc(dims=(-1,)))), "a shape"),
        (program(variable(said=b"")), "type -1"),
        (program(part(3, part(1, "a") + integer(3, 1))), "a message in field 2"),
        (program(part(3, part(1, "a") + part(2, integer(1, 7)) + integer(3, 1))), "a message in field 3"),
        (program(variable())[:-3], "cut off"), (program(part(3, b"\x0a")), "cut off"),
        (program(part(3, integer(1, 7) + part(2, b"") + integer(3, 1))), "bytes in field 1|field 1"),
        (program(variable("x" * 70_000)), "text of at most"), (b"\x0a\x05hello", "content that starts with"),
        (b"{}", "content that starts with"),
    ],
)  # fmt: skip
def test_program_descs_that_are_none(tmp_path, content, match):
    refuse(files(tmp_path, pdmodel=content), match)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (pir(parameter(dims=(-1,))), "a dense tensor of a known"), (pir(parameter(dims=(2.0,))), "a dense tensor"),
        (pir(parameter(dims=(True,))), "a dense tensor"), (pir(parameter(dtype="0.t_f99")), "a dense tensor"),
        (pir(parameter(), parameter(dims=(3,))), "every parameter once"), (pir(parameter("")), "one without"),
        (pir({"#": "p"}), "another form"), (pir({"#": "p", "A": ["a"], "O": {}}), "another form"),
        (pir(parameter(3)), "another form"), (pir(parameter())[:-1], "a program in JSON"),
        (pir(parameter()).replace(b'"program"', b'"programme"'), "of one block"),
        (pir(parameter()).replace(b'"ops": [', b'"ops": 3, "x": ['), "of one block"),
        (pir(parameter()).replace(b'"QA": []', b'"#": "p"'), "comes twice"),
        (pir(parameter()).replace(b'"QA": []', b'"QA": ' + b"[" * 100_000), "a program in JSON"),
        (pir(parameter()).replace(b'"QA": []', b'"QA": ' + b"9" * 5000), "a program in JSON"),
        (pir(parameter()) + b"x", "a program in JSON"),
        (pir(parameter()).replace(b"NCHW", b"\xff"), "a program in JSON"),
    ],
)  # fmt: skip
def test_pir_programs_that_are_none(tmp_path, content, match):
    refuse(files(tmp_path, json=content), match)
    refuse(tmp_path / "m.json", match)


def test_a_name_that_is_no_unicode(tmp_path):
    """JSON can say half a surrogate pair, which no file name, terminal or UTF-8 text can hold."""
    refuse(files(tmp_path, json=pir(parameter("\ud800"))), "every parameter once, with a name")


def test_without_a_program_the_names_are_missing(tmp_path):
    path = files(tmp_path)
    refuse(path, "found no m.json nor m.pdmodel")
    (tmp_path / "m.json").write_bytes(b'{"weight_map": {}}')
    refuse(path, "found no m.json nor m.pdmodel")
    (tmp_path / "m.json").unlink()
    (tmp_path / "m.json").mkdir()
    os.mkfifo(tmp_path / "m.pdmodel")
    refuse(path, "found no m.json nor m.pdmodel")
    path.rename(tmp_path / "single")
    refuse(tmp_path / "single", "use_binary_format=True")


def test_without_weights(tmp_path):
    (tmp_path / "m.json").write_bytes(pir(parameter()))
    refuse(tmp_path / "m.json", "found no m.pdiparams")
    (tmp_path / "m.pdparams").write_bytes(b"")
    refuse(tmp_path / "m.json", "Try: the path of .*m.pdparams")


def test_programs_that_differ(tmp_path):
    path = files(tmp_path, json=pir(parameter("b")), pdmodel=program(variable("a")))
    refuse(path, "two that differ")
    assert list(checkpoints.read(tmp_path / "m.json").tensors) == ["b"]
    assert list(checkpoints.read(tmp_path / "m.pdmodel").tensors) == ["a"]


def info(table, protocol=2):
    return pickle.dumps(table, protocol)


def test_the_table_of_names(tmp_path):
    table = {"a": {"structured_name": "fc.weight", "trainable": True}, "other": {"structured_name": "x"}}
    path = files(tmp_path, pdmodel=program(variable()), pdiparams_info=info(table))
    assert list(checkpoints.read(path).tensors) == ["fc.weight"]
    for table in ({"a": {"trainable": True}}, {}, [], 3):
        read = checkpoints.read(files(tmp_path, pdiparams_info=info(table)))
        assert list(read.tensors) == ["a"]
        assert read.notes == ("named as in the program: m.pdiparams.info names only 0 of 1 tensors",)


def test_tables_of_names_that_are_none(tmp_path):
    two = {"pdmodel": program(variable(), variable("b"))}
    same = {name: {"structured_name": "w"} for name in "ab"}
    refuse(files(tmp_path, record() * 2, **two, pdiparams_info=info(same)), "one name twice")
    refuse(files(tmp_path, record() * 2, **two, pdiparams_info=info({"a": 3})), "a dict for each")
    refuse(files(tmp_path, record() * 2, **two, pdiparams_info=info(same)[:-1]))
    unsafe = state_dict(call("os", "system", text("true")))
    refuse(files(tmp_path, record() * 2, **two, pdiparams_info=unsafe), "nothing was imported", UnsafeCheckpoint)


def test_a_program_is_taken_into_memory_only_within_the_budget(tmp_path):
    path = files(tmp_path, json=pir(parameter()))
    size = (tmp_path / "m.json").stat().st_size
    assert checkpoints.read(path, Budget(size * 32)).tensors
    with pytest.raises(CheckpointError, match="to unpack at once"):
        checkpoints.read(path, Budget(size * 32 - 1))


@pytest.mark.parametrize("name", ["m.json", "m.pdiparams", "m.pdiparams.info"])
def test_files_that_change_while_they_are_read_together(tmp_path, monkeypatch, name):
    path = files(tmp_path, pdiparams_info=info({}), json=pir(parameter()))
    asked = tmp_path / ("m.json" if name != "m.json" else "m.pdiparams")
    interpret = checkpoints.paddle.inference.interpret

    def meanwhile(*arguments):
        os.utime(path.with_name(name), ns=(1, 1))
        return interpret(*arguments)

    monkeypatch.setattr("xframe.checkpoints.paddle.inference.interpret", meanwhile)
    refuse(asked, "changes as it is read")


def test_a_million_empty_records_take_no_memory(tmp_path):
    """22 bytes of a file each: only as many are read as the program has parameters."""
    path = files(tmp_path, record(b"", desc(dims=(0,))) * 100_000, json=pir(parameter(dims=(0,))))
    refuse(path, "1 tensors, as its program says")


@pytest.mark.parametrize("other", ["safetensors", "npz", "pth", "pdparams"])
def test_a_file_of_another_format_is_not_taken(tmp_path, other):
    checkpoints.write(tmp_path / f"a.{other}", None, [])
    assert checkpoints.read(tmp_path / f"a.{other}").format != "paddle-inference"
    (tmp_path / "index.json").write_bytes(b'{"metadata": {"magic": "pir"}, "weight_map": {}}')
    with pytest.raises(CheckpointError) as raised:
        checkpoints.read(tmp_path / "index.json")
    assert "pdiparams" not in str(raised.value)
