"""A worker that hangs is killed in time; a session that is interrupted or killed leaves nothing."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from sessions import OLD, build, one_paragraph, wait_until

from xframe import exchange
from xframe.errors import WorkerTimeout
from xframe.workers import Pool, Settings

hangs = pytest.mark.parametrize("fault", ["sleep", "hold"])


@pytest.fixture
def hurried(stand_ins):
    with Pool(Settings(timeout=3.0)) as session:
        yield session


@hangs
def test_a_hang_is_killed_and_says_where_it_was(hurried, fault):
    worker = hurried["torch"]
    pid = worker.hello["pid"]
    started = time.monotonic()
    with pytest.raises(WorkerTimeout) as caught:
        build(worker, "faulty:at_build", fault=fault).result()
    assert 3 <= time.monotonic() - started < 60 < Settings().timeout
    told = str(caught.value)
    assert told.startswith(
        "The torch worker did not answer 'build' within 3 s and was killed. If the model is that slow"
    )
    assert told.index("Its last words: Stack (most recent call first): | File") < told.index("in hang")
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(WorkerTimeout, match="did not answer 'build'"):
        build(worker, "faulty:at_build", fault="none").result()


def test_a_hang_at_import(hurried, monkeypatch):
    monkeypatch.setenv("FAULT_AT_IMPORT", "hold")
    with pytest.raises(WorkerTimeout, match="did not answer 'start' within 3 s"):
        hurried["torch"].hello  # noqa: B018


def test_a_request_that_a_hanging_worker_never_reads(hurried):
    """More than a pipe holds: without a deadline, sending itself would block for ever."""
    worker = hurried["torch"]
    worker.hello  # noqa: B018
    build(worker, "faulty:at_build", fault="hold")
    long = worker.ask("load", handle="model", tensors=[("x" * 1000, ())] * 3000)
    with pytest.raises(WorkerTimeout, match="did not answer 'build' within 3 s"):
        long.result()


def test_an_interrupt_does_not_shift_the_answers(session, monkeypatch):
    """As in a notebook: the user interrupts the wait and goes on with the session."""
    worker = session["torch"]
    replies = [_scaled(session, worker, factor) for factor in (2, 3)]
    with monkeypatch.context() as patch:
        patch.setattr(worker._process, "receive", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            replies[0].result()
    assert [exchange.get(reply.result()["outputs"][0][1]).tolist() for reply in replies] == [[2.0], [3.0]]


def _scaled(session, worker, factor):
    build(worker, "faulty:scaled", factor=factor)
    ((_, inputs),) = exchange.put(session.folder, "input", [("", np.ones(1, np.float32), "float32")])
    return worker.ask("run", handle="model", inputs=inputs, dtype="float32", taps=[])


def _interrupt(_seconds):
    raise KeyboardInterrupt


@hangs
def test_the_command_at_a_hang(command, stand_ins, fault, monkeypatch):
    monkeypatch.setenv("XFRAME_TIMEOUT", "4")
    code, out, err = command.run("torch/build", fault)
    assert (code, out) == (3, "")
    assert one_paragraph(err)
    assert "did not answer 'build' within 4 s and was killed" in err
    assert command.untouched()


@hangs
def test_ctrl_c(command, hanging, fault, trace):
    with hanging(fault) as process:
        assert command.partial()
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (3, "")
    assert err == "xframe: Interrupted. Nothing was written; the workers have ended.\n"
    assert trace.find() == []
    assert command.untouched()


@hangs
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_parent_that_is_killed(command, hanging, fault, number, trace):
    with hanging(fault) as process:
        assert trace.find()
        process.send_signal(number)
        process.communicate(timeout=20)
    assert process.returncode
    assert trace.gone(5)
    assert command.out.read_bytes() == OLD
    # After a signal that nobody can catch the hidden partial file stays, under no name that a reader would open.
    assert all(name.startswith(".out.pth.") and ".partial" in name for name in command.partial())
    assert len(command.partial()) <= 1


def test_a_whole_group_that_is_killed(hanging, trace):
    """As a CI system ends a job."""
    with hanging("sleep") as process:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=20)
    assert trace.gone(5)


def test_a_parent_killed_while_an_interpreter_starts(command, trace, tmp_path, monkeypatch):
    script = tmp_path / "sleeper"
    script.write_text("#!/bin/sh\nexec sleep 1000\n")
    script.chmod(0o755)
    monkeypatch.setenv("XFRAME_PYTHON_TORCH", str(script))
    with command.start("torch") as process:
        assert wait_until(lambda: any(line.startswith("sleep 1000") for line in trace.find()))
        process.kill()
        process.communicate(timeout=20)
    assert trace.gone(5)
