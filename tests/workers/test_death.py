"""A worker that dies becomes one clear error, and nothing of it stays."""

import os
import signal
import time

import numpy as np
import pytest
from sessions import build, descriptors, one_paragraph, wait_until

from xframe import exchange
from xframe.errors import FrameworkMissing, ModelError, WorkerDied
from xframe.workers import Pool
from xframe.workers.process import _SHORT_OF_MEMORY

DEATHS = {
    "segv": ("killed by SIGSEGV (Segmentation fault)", "Fatal Python error: Segmentation fault"),
    "kill": (
        f"killed by SIGKILL (Killed){_SHORT_OF_MEMORY}",
        "It left no last words.",
    ),
    "exit": ("exit code 7", "It left no last words."),
    "leave": ("exit code 3", "SystemExit: 3"),
}
deaths = pytest.mark.parametrize("fault", DEATHS)


def check(error, request, fault):
    cause, words = DEATHS[fault]
    assert f"The torch worker ended during '{request}': {cause}. " in str(error)
    assert words in str(error)
    assert "\n" not in str(error)
    assert fault != "segv" or "faulty.py" in str(error)


@deaths
def test_death_at_start(session, fault, monkeypatch):
    monkeypatch.setenv("FAULT_AT_IMPORT", fault)
    with pytest.raises(WorkerDied) as caught:
        session["torch"].hello  # noqa: B018
    check(caught.value, "start", fault)


@deaths
def test_death_in_build(session, fault):
    with pytest.raises(WorkerDied) as caught:
        build(session["torch"], "faulty:at_build", fault=fault).result()
    check(caught.value, "build", fault)


@deaths
def test_death_in_run(session, fault):
    worker = session["torch"]
    build(worker, "faulty:at_run", fault=fault).result()
    ((_, inputs),) = exchange.put(session.folder, "input", [("", np.zeros(3, np.float32), "float32")])
    with pytest.raises(WorkerDied) as caught:
        worker.call("run", handle="model", inputs=inputs, dtype="float32", taps=[])
    check(caught.value, "run", fault)


def test_every_request_after_a_death_tells_of_it_again(session):
    worker = session["torch"]
    first, second = build(worker, "faulty:at_build", fault="exit"), build(worker, "faulty:scaled", factor=1)
    for reply in (second, first, first, worker.ask("release", handle="model")):
        with pytest.raises(WorkerDied, match="ended during 'build': exit code 7"):
            reply.result()


def test_a_worker_killed_while_idle(session):
    worker = session["torch"]
    os.kill(worker.hello["pid"], signal.SIGKILL)
    with pytest.raises(WorkerDied, match="ended during 'build': killed by SIGKILL"):
        build(worker, "faulty:scaled", factor=1).result()


def test_the_stack_of_a_crash_begins_at_its_innermost_call(session):
    with pytest.raises(WorkerDied) as caught:
        build(session["torch"], "faulty:at_build", fault="segv").result()
    told = str(caught.value)
    assert (
        told.index("ctypes")
        < told.index("faulty.py")
        < told.index("frameworks/torch/model.py")
        < told.index("server.py")
    )


@pytest.mark.parametrize(("fault", "words"), [
    ("surrogate", "ValueError: no UTF-8: \\udcff"),
    ("vague", "Vague (whose own message raises RuntimeError)"),
    ("interrupt", "KeyboardInterrupt"),
    ("generator", "GeneratorExit"),
    ("huge", "(10000012 characters)"),
])  # fmt: skip
def test_what_a_model_raises_is_reported_and_survived(session, fault, words):
    worker = session["torch"]
    with pytest.raises(ModelError) as caught:
        build(worker, "faulty:at_build", fault=fault).result()
    assert str(caught.value).startswith("torch failed in 'build': ")
    assert words in str(caught.value)
    assert len(str(caught.value)) < 2100
    assert all(len(note) <= 20000 for note in caught.value.__notes__)
    assert build(worker, "faulty:scaled", factor=1).result() == []


def test_an_answer_that_cannot_be_sent_becomes_an_error(session):
    worker = session["torch"]
    with pytest.raises(ModelError, match="DumpError: strings must be utf-8 encodable"):
        build(worker, "faulty:misnamed").result()
    assert build(worker, "faulty:scaled", factor=1).result() == []


def test_a_broken_installation_says_what_breaks(session, monkeypatch):
    monkeypatch.setenv("FAULT_AT_IMPORT", "broken")
    with pytest.raises(FrameworkMissing, match=r"does not work: OSError: libmissing\.so: cannot open .*Install it"):
        session["torch"].hello  # noqa: B018


def test_a_model_s_own_processes_end_with_the_session(stand_ins, trace, monkeypatch, tmp_path):
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))
    with Pool() as session:
        build(session["torch"], "faulty:at_build", fault="breed")
        assert wait_until((tmp_path / "mark").exists)
        assert wait_until(lambda: any(line.startswith("sleep") for line in trace.find()))
    assert trace.gone(1)


def test_a_session_leaks_no_descriptor(stand_ins):
    def once():
        with Pool() as session:
            session.start("torch", "onnx")
            assert session["torch"].hello["pid"] != session["onnx"].hello["pid"]

    once()
    before = descriptors()
    for _ in range(3):
        once()
    assert descriptors() == before


@deaths
def test_the_command_at_a_death(command, stand_ins, fault):
    code, out, err = command.run("torch/build", fault)
    assert (code, out) == (3, "")
    assert one_paragraph(err)
    check(err.strip(), "build", fault)
    assert command.untouched()


def test_the_command_at_a_crash_in_torch_itself(command):
    code, out, err = command.run("torch/run", "segv")
    assert (code, out) == (3, "")
    assert one_paragraph(err)
    check(err.strip(), "run", "segv")
    assert command.untouched()


def test_time_of_a_death(session):
    """A death is told at once, not when the patience for an answer ends."""
    started = time.monotonic()
    with pytest.raises(WorkerDied):
        build(session["torch"], "faulty:at_build", fault="kill").result()
    assert time.monotonic() - started < 30 < session.settings.timeout
