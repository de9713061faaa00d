"""What a table says of the network's input: a picture, a sequence, or token ids; and what is then fed."""

import numpy as np
import pytest

from xframe.errors import TableError, UsageError
from xframe.mapping import load_table
from xframe.proving.probe import random_input, read_input

TABLE = """\
summary = "one layer"
input = [7, "width"]
options = { width = 3, words = 5 }
INPUT

[implementations]
torch = { build = "nets:net" }

[[layers]]
kind = "linear"
torch = "fc"
"""


@pytest.fixture
def table(tmp_path):
    def load(said="", **options):
        path = tmp_path / "one.toml"
        path.write_text(TABLE.replace("INPUT", said))
        return load_table(str(path), options)

    return load


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", ("channels", "channels", None)),
        ('input_axes = "sequence"', ("sequence", "sequence", None)),
        ('output_axes = "sequence"', ("channels", "sequence", None)),
        ('input_axes = "sequence"\noutput_axes = "channels"', ("sequence", "channels", None)),
        ('tokens = "words"', ("sequence", "sequence", 5)),
        ('tokens = 9\noutput_axes = "channels"', ("sequence", "channels", 9)),
    ],
)
def test_axes_and_tokens(table, said, expected):
    loaded = table(said)
    assert (loaded.input_axes, loaded.output_axes, loaded.tokens) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('input_axes = "time"', "input_axes: expected one of channels, sequence; found 'time'"),
        ("tokens = 1", "tokens: expected how many token ids there are"),
        ("tokens = true", "tokens: expected how many token ids there are"),
        ('tokens = "letters"', "found 'letters'"),
    ],
)
def test_a_mistake_is_reported_with_its_place(table, said, expected):
    with pytest.raises(TableError) as caught:
        table(said)
    assert any("one.toml:4" in str(problem) and expected in str(problem) for problem in caught.value.problems)


def test_token_ids_are_whole_numbers_below_their_number(table):
    drawn = random_input(table('tokens = "words"', width=50), 0)
    assert (drawn.dtype, drawn.shape, set(drawn.flat)) == (np.int64, (2, 7, 50), set(range(5)))
    assert random_input(table(), 0).dtype == np.float32


@pytest.mark.parametrize(
    ("said", "array", "reason"),
    [
        ("tokens = 5", np.full((2, 9, 4), 4), None),
        ("tokens = 5", np.full((2, 7, 3), 4, np.uint8), None),
        ("tokens = 5", np.full((2, 7, 3), 5), "whole numbers from 0 to 4, found int64 from 5 to 5"),
        ("tokens = 5", np.full((2, 7, 3), -1), "found int64 from -1 to -1"),
        ("tokens = 5", np.full((2, 7, 3), 1.0), "found float64 from 1.0 to 1.0"),
        ("tokens = 5", np.full((2, 7), 1), "expected an input of shape"),
        ('input_axes = "sequence"', np.zeros((2, 9, 3)), None),
        ('input_axes = "sequence"', np.zeros((2, 7, 4)), "expected an input of shape"),
        ("", np.zeros((2, 7, 4)), None),
        ("", np.zeros((2, 9, 3)), "expected an input of shape"),
    ],
)
def test_an_input_of_one_s_own(table, tmp_path, said, array, reason):
    np.save(tmp_path / "input.npy", array)
    if reason is None:
        found = read_input(tmp_path / "input.npy", table(said))
        assert found.dtype == (np.int64 if "tokens" in said else np.float32)
        assert np.array_equal(found, array)
    else:
        with pytest.raises(UsageError, match=reason):
            read_input(tmp_path / "input.npy", table(said))
