"""What tests of several folders share: one set of workers a session, ports within it, and the command line."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from xframe import checkpoints
from xframe.digests import digest
from xframe.workflows.port import PortOptions
from xframe.workflows.port import port as carry_out

TESTS = Path(__file__).parent
SHARED = ("checkpoints", "zoo")

# The same examples on every run, in whatever time: a change is not refused for what chance finds in another, nor for a
# machine that paused. `make explore` draws anew.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


@pytest.fixture(scope="session")
def pool(xframe_pool):
    """The session's workers. They find the package `nets` in tests/faults, which pyproject.toml puts on the path."""
    return xframe_pool


@pytest.fixture
def port(pool, tmp_path):
    """``xframe.port`` in the session's workers; writes into the test's own folder, as .npz unless told."""

    def run(model, source, target, **options):
        options = {"out": tmp_path / "ported.npz", **options}
        return carry_out(str(model), source, target, PortOptions(**options), pool=pool)

    return run


@pytest.fixture
def cli(tmp_path):
    """The installed command, in a process and a folder of its own."""

    def run(*arguments):
        command = [Path(sys.executable).with_name("xframe"), *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, cwd=tmp_path)

    return run


@pytest.fixture
def digests():
    """A weight file as name → (shape, dtype, digest): equal only where every bit is."""

    def of(path):
        tensors = checkpoints.read(path).tensors
        return {name: (held.spec.shape, held.spec.dtype, digest(held.array())) for name, held in tensors.items()}

    return of


def pytest_collection_modifyitems(items):
    """With xdist, a folder whose tests share a costly fixture stays in one process."""
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in SHARED:
            item.add_marker(pytest.mark.xdist_group(folder))


def pytest_terminal_summary(terminalreporter):
    """Figures that a test recorded as its ``summary``, beneath the results."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "summary":
                terminalreporter.write_line(value)
