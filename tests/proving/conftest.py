"""The small network of tests/faults, as a table in the test's own folder."""

import sys

import pytest

sys.path.append(str(__import__("pathlib").Path(__file__).parents[1] / "faults"))


@pytest.fixture
def small(tmp_path):
    """The table's path for two frameworks; options are the factories' own, on both sides."""
    from planted import TrainedSheet

    def write(source, target, **knobs):
        return TrainedSheet(source, target, knobs, at="both").write(tmp_path / "small.toml")

    return write
