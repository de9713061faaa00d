"""Workers in a folder of the test's own, with stand-ins for frameworks; after every test nothing of it may be left."""

import os
import tempfile
from pathlib import Path

import pytest
from sessions import HERE, Command, Trace, children, wait_until

from xframe.workers import Pool


@pytest.fixture(autouse=True)
def trace(tmp_path, monkeypatch):
    """A TMPDIR and working directory of the test's own. What is left in one, or running, afterwards is a failure."""
    folder, work = tmp_path / "session", tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    for name in [name for name in os.environ if name.startswith("XFRAME_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("PYTHONPATH", str(HERE / "models"))
    monkeypatch.chdir(work)
    before = children()
    yield Trace(folder)
    assert Trace(folder).find() == []
    assert children() - before == set()


@pytest.fixture
def stand_ins(monkeypatch):
    """`import torch` and `import onnxruntime` in a worker find the stand-ins."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE / "models"), str(HERE / "stand_in")]))


@pytest.fixture
def session(stand_ins):
    with Pool() as session:
        yield session


@pytest.fixture
def command(trace):
    return Command(Path.cwd())


@pytest.fixture
def hanging(command, stand_ins, monkeypatch):
    """Starts the command and waits until its worker hangs."""
    mark = Path.cwd() / "mark"
    monkeypatch.setenv("MARK", str(mark))

    def start(fault):
        process = command.start("torch/build", fault)
        wait_until(lambda: mark.exists() or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        return process

    return start
