"""What a table says of a model's outputs: logits unless told, nothing but the two words."""

import pytest

from xframe.errors import TableError
from xframe.mapping import load_table

TABLE = """\
summary = "one layer"
input = [1, 8, 8]

[implementations]
paddle = { build = "nets:paddle_net" }
torch = { build = "nets:torch_net", output = OUTPUT }

[[layers]]
kind = "linear"
paddle = "fc"
torch = "fc"
"""


@pytest.fixture
def declared(tmp_path):
    """The table with this output declared for torch."""

    def load(output):
        path = tmp_path / "one.toml"
        path.write_text(TABLE.replace("OUTPUT", output))
        return {name: column.output for name, column in load_table(str(path)).implementations.items()}

    return load


def test_logits_are_what_is_not_said(declared):
    assert declared('"probabilities"') == {"paddle": "logits", "torch": "probabilities"}
    assert declared('"logits"') == {"paddle": "logits", "torch": "logits"}


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ('"softmax"', "expected one of logits, probabilities; found 'softmax'"),
        ('""', "expected one of logits, probabilities; found ''"),
        ("true", "expected a string, found True"),
    ],
)
def test_another_word_is_a_problem_with_its_place(declared, output, expected):
    with pytest.raises(TableError) as caught:
        declared(output)
    (problem,) = caught.value.problems
    assert str(problem).startswith("one.toml:6 implementations.torch.output: ")
    assert expected in str(problem)
