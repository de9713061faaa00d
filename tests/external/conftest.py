"""Packages that others published, as data: installed without what they depend on, into a folder of the session's."""

import subprocess
import sys

import pytest


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


@pytest.fixture
def compute(tmp_path):
    """Run a few lines of a framework in a process of its own; the arrays that they print the file of."""

    def run(code, *arguments):
        script = tmp_path / "compute.py"
        script.write_text(code)
        command = [sys.executable, script, *map(str, arguments)]
        subprocess.run(command, check=True, timeout=300, capture_output=True)

    return run


def pytest_collection_modifyitems(items):
    for item in items:
        if "external" in item.path.parts:
            item.add_marker(pytest.mark.external)
