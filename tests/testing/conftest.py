"""Lines of xframe, carried out in the session's workers without a pytest of their own."""

from pathlib import Path

import pytest

from xframe.testing.asked import Asked
from xframe.testing.cases import cases
from xframe.testing.lines import ATTRIBUTE

FAULTS = Path(__file__).parents[1] / "faults"


@pytest.fixture
def failure(pool, tmp_path):
    """Why one test of a line fails, "" where it does not; ``told`` has the lines beneath the results."""

    def run(function, ident, told=None, **asked):
        found = {case.id: case for case in cases(getattr(function, ATTRIBUTE), tmp_path, Asked(**asked))}
        said = [] if told is None else told
        try:
            found[ident].check(pool, tmp_path, lambda _, line: said.append(line))
        except pytest.fail.Exception as failed:
            return "a traceback" if failed.pytrace else failed.msg
        return ""

    return run


@pytest.fixture
def small(tmp_path):
    """Write a Sheet as the test's small.toml."""
    return lambda sheet: sheet.write(tmp_path / "small.toml").name
