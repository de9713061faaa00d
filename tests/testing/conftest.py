"""Lines of xframe, carried out in the session's workers without a pytest of their own."""

import os
from pathlib import Path

import pytest
from planted import Sheet

from xframe.testing.asked import Asked
from xframe.testing.cases import cases
from xframe.testing.lines import ATTRIBUTE

ROOT = Path(__file__).parents[2]


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


@pytest.fixture
def run(pytester, monkeypatch):
    """A pytest of its own, in a folder of its own, with the small network for two frameworks in small.toml."""
    paths = [str(ROOT), str(ROOT / "tests" / "faults"), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makeini("[pytest]\naddopts = -p xframe.pytest_plugin --strict-markers\nfilterwarnings = error")
    Sheet("paddle", "torch").write(pytester.path / "small.toml")

    def run(*arguments, **files):
        if files:
            pytester.makepyfile(**files)
        return pytester.runpytest_subprocess(*arguments, timeout=300)

    return run


@pytest.fixture
def without_paddle(run, pytester, monkeypatch):
    """A machine on which paddle cannot be imported; ``asked`` is where every attempt is written down."""
    asked = pytester.path / "asked.txt"
    blocker = pytester.path / "blocked"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text(
        f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "paddle":
            open({str(asked)!r}, "a").write(" ".join(sys.argv) + "\\n")
            raise ModuleNotFoundError("No module named 'paddle'")

sys.meta_path.insert(0, Blocked())
"""
    )

    def block():
        monkeypatch.setenv("PYTHONPATH", str(blocker), prepend=os.pathsep)
        monkeypatch.setenv("XFRAME_PYTHON_PADDLE", str(pytester.path / "no" / "python"))
        return asked

    return block
