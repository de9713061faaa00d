"""Tensor bundles that point outside their files, lie about their tensors, or are no tables at all."""

import os

import pytest
from tensor_bundles import (
    DATA,
    block,
    bundle,
    framed,
    header,
    integer,
    key_of,
    message,
    record,
    refuse,
    sliced,
)  # fmt: skip

from xframe import checkpoints
from xframe.checkpoints.budget import Budget
from xframe.checkpoints.tensorflow import table
from xframe.errors import CheckpointError


def test_the_builders_build_what_is_read(tmp_path):
    path = bundle(tmp_path, [(b"a", record(2, 3)), (b"b", record(6, offset=24))])
    found = checkpoints.read(path)
    assert [str(spec) for spec in found.specs] == ["a float32[2, 3]", "b float32[6]"]
    assert found.tensors["b"].array().tolist() == [6, 7, 8, 9, 10, 11]


def test_tables_of_several_blocks_whose_keys_share_prefixes(tmp_path):
    bundle(tmp_path, [])
    first = [(b"", header()), (b"layer/a", record(2)), (6, b"b", record(2, offset=8))]
    start = len(block(first[:2])) - 8
    blocks = [block(first, (0,)), block([(b"layer/c", record(2, offset=16))])]
    (tmp_path / "model.index").write_bytes(framed(blocks))
    assert list(checkpoints.read(tmp_path / "model").tensors) == ["layer/a", "layer/b", "layer/c"]
    (tmp_path / "model.index").write_bytes(framed([block(first, (0, start))]))
    refuse(tmp_path / "model", "leads out")
    (tmp_path / "model.index").write_bytes(framed([block(first, (0, start + 1))]))
    refuse(tmp_path / "model", "restart points where entries start")


BIG = 2**63 - 8
PLACES = {
    "beyond the end": (record(6, offset=28, crc=0), "within model.data"),
    "offset that overflows with its size": (record(6, offset=BIG, crc=0), "within model.data"),
    "negative offset": (record(6, offset=-8, crc=0), "a negative one"),
    "negative size": (record(6, size=-1, crc=0), "a negative one"),
    "another file": (record(6, shard=1), "one of 1 files"),
    "negative file": (record(6, shard=-1), "negative"),
    "size unlike shape": (record(6, size=20), "24 bytes; found 20"),
    "shape bomb": (record(2**40, size=24), "bytes; found 24"),
    "shape that overflows": (record(2**40, 2**40, size=24), "a tensor's shape"),
    "negative length": (record(-2, size=24), "a tensor's shape"),
    "65 axes": (record(*[1] * 65, size=4), "65 axes"),
    "unknown rank": (integer(1, 1) + message(2, integer(3, 1)), "unknown rank"),
    "dtype 0": (record(6, dtype=0), "dtype 0"),
    "quantised dtype": (record(24, dtype=11, size=24), "dtype 11"),
    "dtype of the future": (record(6, dtype=2**31), "dtype 2147483648"),
    "another checksum": (record(6, crc=7), "CRC-32C 00000007"),
    "a field of two kinds": (record(6, rest=message(4, b"")), "one of two"),
    "wire type of a group": (record(6, rest=b"\x0b"), "wire type 3"),
    "cut off": (record(6)[:-1], "cut off"),
}


@pytest.mark.parametrize("case", PLACES)
def test_a_record_that_lies(tmp_path, case):
    value, match = PLACES[case]
    refuse(bundle(tmp_path, [(b"a", value)]), match)


def test_tensors_that_overlap(tmp_path):
    refuse(bundle(tmp_path, [(b"a", record(6)), (b"b", record(6, offset=20))]), "those of another tensor")
    refuse(bundle(tmp_path, [(b"a", record(6)), (b"b", record(6))]), "those of another tensor")


def test_tensors_without_elements_take_no_place(tmp_path):
    found = checkpoints.read(bundle(tmp_path, [(b"a", record(6)), (b"b", record(0, 3, offset=8))]))
    assert found.tensors["b"].array().shape == (0, 3)


@pytest.mark.parametrize(
    ("head", "match"),
    [
        (header(endianness=1), "big-endian"), (header(needed=2), "version 2"), (header(shards=0), "data files"),
        (header(shards=-1), "data files"), (b"\x08", "cut off"), (header(shards=2), "model.data-00000-of-00002"),
    ],
)  # fmt: skip
def test_headers(tmp_path, head, match):
    refuse(bundle(tmp_path, [(b"a", record(6))], head=head), match)


def test_a_table_without_a_header(tmp_path):
    bundle(tmp_path, [])
    (tmp_path / "model.index").write_bytes(framed([block([(b"a", record(6))])]))
    refuse(tmp_path / "model.index", "a bundle's header")
    (tmp_path / "model.index").write_bytes(framed([block([])]))
    refuse(tmp_path / "model.index", "a bundle's header")


def test_data_files_that_are_not_files(tmp_path):
    path = bundle(tmp_path, [(b"a", record(6))])
    data = tmp_path / "model.data-00000-of-00001"
    data.unlink()
    refuse(path, "all files of it")
    data.mkdir()
    refuse(path, "expected a file")
    data.rmdir()
    os.mkfifo(data)
    refuse(path, "pipe")


def test_a_data_file_cut_off_or_flipped_anywhere(tmp_path):
    path = bundle(tmp_path, [(b"a", record(6)), (b"b", record(6, offset=24))])
    data = tmp_path / "model.data-00000-of-00001"
    for place in range(len(DATA)):
        data.write_bytes(DATA[:place])
        refuse(path, "bytes within model.data")
        data.write_bytes(DATA[:place] + bytes([DATA[place] ^ 1 << place % 8]) + DATA[place + 1 :])
        refuse(path, "CRC-32C")


def test_a_data_file_cut_off_after_it_was_read(tmp_path):
    path = bundle(tmp_path, [(b"a", record(6)), (b"b", record(6, offset=24))])
    tensors = checkpoints.read(path).tensors
    (tmp_path / "model.data-00000-of-00001").write_bytes(DATA[:24])
    with pytest.raises(CheckpointError, match="the data file as it was"):
        tensors["b"].array()
    (tmp_path / "model.data-00000-of-00001").unlink()
    with pytest.raises(CheckpointError, match="the data file as it was"):
        tensors["b"].array()


LEAVES = [(b"", header()), (b"a", record(6))]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (table.MAGIC, "footer"),
        (bytes(40) + table.MAGIC, "restart points|block in the file"),
        (b"\xff" * 40 + table.MAGIC, "an integer"),
        (framed([block(LEAVES)], kinds=(1,)), "snappy, which TensorFlow writes into no checkpoint"),
        (framed([block(LEAVES)], kinds=(9,)), "compression 9"),
        (framed([block(LEAVES)], kinds=(0, 1)), "snappy"),
        (framed([block(LEAVES)], shift=1), "a block at byte 0"),
        (framed([block(LEAVES)], metaindex=block([(b"filter.x", b"")])), "metaindex without entries"),
        (framed([block([LEAVES[0], (b"b", record(6)), LEAVES[1]])]), "keys that ascend"),
        (framed([block([*LEAVES, LEAVES[1]])]), "keys that ascend"),
        (framed([block(LEAVES), block(LEAVES)]), "keys that ascend"),
        (framed([block([(b"", header()), (9, b"a", record(6))])]), "leads out"),
        (framed([block(LEAVES)[:-4] + b"\xff\xff\xff\xff"]), "restart points in the block"),
        (framed([block(LEAVES, ())]), "restart points in the block"),
        (framed([b"abc"]), "a block in the file"),
        (framed([block([(b"", header()), (b"\xff\xfe", record(6))])]), "names in UTF-8"),
        (framed([block(LEAVES)])[:-48] + b"x" + framed([block(LEAVES)])[-48:], "footer at byte"),
    ],
)  # fmt: skip
def test_tables(tmp_path, content, match):
    bundle(tmp_path, [])
    (tmp_path / "model.index").write_bytes(content)
    refuse(tmp_path / "model.index", match)


def test_a_flipped_bit_in_a_block(tmp_path):
    path = bundle(tmp_path, [(b"a", record(6))])
    for place in (0, 30):
        content = bytearray(path.read_bytes())
        content[place] ^= 1
        (tmp_path / "model.flipped").write_bytes(content)
        refuse(tmp_path / "model.flipped", "a block with the CRC-32C")


def test_names_that_grow_without_end(tmp_path, monkeypatch):
    """Every key repeats the one before and adds a letter: the file grows by the line, the names by the square."""
    monkeypatch.setattr("xframe.checkpoints.tensorflow.table.MOST_LETTERS", 1000)
    entries = [(b"", header()), *((number, b"k", record(0)) for number in range(60))]
    bundle(tmp_path, [])
    (tmp_path / "model.index").write_bytes(framed([block(entries)]))
    refuse(tmp_path / "model.index", "names without end")
    monkeypatch.setattr("xframe.checkpoints.tensorflow.table.MOST_LETTERS", 10_000)
    assert len(checkpoints.read(tmp_path / "model").tensors) == 60
    monkeypatch.setattr("xframe.checkpoints.tensorflow.table.MOST_NODES", 60)
    refuse(tmp_path / "model.index", "at most 60 entries")


def test_an_index_larger_than_the_budget(tmp_path):
    refuse(bundle(tmp_path, [(b"a", record(6))]), "--max-memory", Budget(100))


HALVES = (key_of(b"w", 0, 1), record(1, 6)), (key_of(b"w", 1, 1), record(1, 6, offset=24))
ROWS = [[(0, 1), (0, None)], [(1, 1), (0, None)]]


def test_slices_are_joined(tmp_path):
    found = checkpoints.read(bundle(tmp_path, [*HALVES, (b"w", sliced(2, 6, slices=ROWS))]))
    assert found.tensors["w"].array().tobytes() == DATA
    assert list(found.tensors) == ["w"]


@pytest.mark.parametrize(
    ("records", "match"),
    [
        ([*HALVES, (b"w", sliced(3, 6, slices=ROWS))], "slices up to 3"),
        ([*HALVES, (b"w", sliced(2, 6, slices=ROWS[:1]))], "slices up to 2"),
        ([*HALVES, (b"w", sliced(2, 6, slices=[*ROWS, ROWS[0]]))], r"from 1 on; found \(1, 6\) from 0"),
        ([*HALVES, (b"w", sliced(2, 5, slices=ROWS))], r"a slice of \[1, 5\] from 0 on"),
        ([HALVES[0], (b"w", sliced(2, 6, slices=ROWS))], "found none"),
        ([*HALVES, (b"w", sliced(2, 6, slices=[ROWS[0], [(1, 2), (0, None)]]))], "found 2 from 1 on"),
        ([*HALVES, (b"w", sliced(2, 6, slices=[ROWS[0], [(-1, 1), (0, None)]]))], "found 1 from -1 on"),
        ([*HALVES, (b"w", sliced(2, 6, slices=[ROWS[0], [(0, -1), (0, None)]]))], "found -1 from 0 on"),
        ([*HALVES, (b"w", sliced(2, 6, slices=[ROWS[0], [(1, 1)]]))], "slices of 2 axes"),
        ([*HALVES, (b"w", sliced(2, 6, slices=[[(0, 1), (0, 3)], [(1, 1), (0, 3)]]))], "slices along 2"),
        ([*HALVES, (b"v", record(6)), (b"w", record(6, offset=24))], "those of another tensor"),
        ([HALVES[0]], "slices that no tensor has"),
        ([(HALVES[0][0], sliced(1, 6, slices=[ROWS[0]])), HALVES[1], (b"w", sliced(2, 6, slices=ROWS))], "24 bytes"),
        ([*HALVES, (b"w", integer(1, 9) + sliced(2, 6, slices=ROWS)[2:])], "a slice of"),
        ([(b"w", integer(1, 1) + message(7, b""))], "slices along 0"),
    ],
)  # fmt: skip
def test_slices_that_do_not_make_the_tensor(tmp_path, records, match):
    refuse(bundle(tmp_path, records), match)


def test_folders(tmp_path):
    refuse(tmp_path / "model", "nothing of that name")
    folder = tmp_path / "model"
    folder.mkdir()
    refuse(folder, "a folder")
    (folder / "saved_model.pb").write_bytes(b"")
    refuse(folder, "without variables")
    (folder / "variables").mkdir()
    path = bundle(tmp_path, [(b"a", record(6))])
    path.rename(folder / "variables" / "variables.index")
    refuse(folder, "variables.data-00000-of-00001 beside it")
    (tmp_path / "model.data-00000-of-00001").rename(folder / "variables" / "variables.data-00000-of-00001")
    assert list(checkpoints.read(folder).tensors) == ["a"]


def test_a_data_file_by_itself(tmp_path):
    bundle(tmp_path, []).unlink()
    refuse(tmp_path / "model.data-00000-of-00001", "unknown content")


def test_another_file_before_the_table_is_a_file_of_two_formats(tmp_path):
    path = bundle(tmp_path, [(b"a", record(6))])
    (tmp_path / "model.both").write_bytes(b"\x89HDF\r\n\x1a\n" + path.read_bytes())
    refuse(tmp_path / "model.both", "weights.h5 and tensorflow at once")
