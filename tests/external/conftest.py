"""Packages that others published, as data: installed without what they depend on, into a folder of the session's."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from xframe.workers import Pool

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """The folder that a package of that version was installed into. Nothing of it is imported."""
    installed = {}

    def install(requirement):
        if requirement not in installed:
            folder = tmp_path_factory.mktemp("package")
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, requirement]
            subprocess.run(pip, check=True, timeout=300)
            installed[requirement] = folder
        return installed[requirement]

    return install


@pytest.fixture(scope="session")
def workers_with(package):
    """Workers of their own that find the packages, and `published_nets` beside this file, while it is open."""

    @contextmanager
    def opened(*requirements):
        folders = [HERE, *map(package, requirements)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", os.pathsep.join(map(str, folders)), prepend=os.pathsep)
            with Pool() as pool:
                yield pool

    return opened


@pytest.fixture(scope="session")
def table():
    """A table written by hand: the truth that an inferred one is held against."""
    return lambda name: HERE / "tables" / f"{name}.toml"


@pytest.fixture
def rewritten(tmp_path, table):
    """A table with some of its text exchanged, in which case every piece must be there; the path of the copy."""

    def of(name, *exchanges, more=""):
        text = table(name).read_text()
        for old, new in exchanges:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "tables" / f"{name}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + more)
        return path

    return of


@pytest.fixture(scope="session")
def compute(tmp_path_factory):
    """Run a few lines of a framework in a process of its own; the arrays that they print the file of."""

    def run(code, *arguments):
        script = tmp_path_factory.mktemp("compute") / "compute.py"
        script.write_text(code)
        command = [sys.executable, script, *map(str, arguments)]
        subprocess.run(command, check=True, timeout=300, capture_output=True)

    return run


def pytest_collection_modifyitems(items):
    for item in items:
        if "external" in item.path.parts:
            item.add_marker(pytest.mark.external)
