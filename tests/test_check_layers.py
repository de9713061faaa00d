"""`xframe check` on rows that hold no tensor: the built model must have a layer of that name."""

import pytest

from xframe.mapping import load_table
from xframe.workflows.check import check


@pytest.fixture
def renamed(tmp_path):
    """lenet5_maxavg's table with one pool's name exchanged."""

    def write(old, new):
        text = load_table("lenet5_maxavg").file.read_text()
        assert text.count(old) == 1
        path = tmp_path / "renamed.toml"
        path.write_text(text.replace(old, new))
        return str(path)

    return write


@pytest.mark.parametrize("column", ["torch ", "keras "])
def test_a_misspelt_pool_is_named(pool, renamed, column):
    result = check(renamed(f'{column} = "pool4"', f'{column} = "pol4"'), pool=pool)
    (problem,) = result.problems
    assert "'pol4', a layer that the built" in problem.detail
    assert problem.suggestion == "did you mean 'pool4'?"
    assert "renamed.toml:" in problem.tensor


def test_a_column_may_leave_a_pool_out(pool, renamed):
    assert check(renamed('torch  = "pool4"\n', ""), pool=pool)


def test_what_was_not_built_is_not_said_to_be(pool, cli):
    assert "6 implementations, not built" in cli("check", "lenet5", "--no-build").stdout
    assert check("lenet5").built is None
    assert check("lenet5_sigmoid", pool=pool).built == ("paddle", "torch", "keras")
