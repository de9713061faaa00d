"""Workers start side by side, stay for the session, answer in order, and keep their noise to themselves."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from sessions import build, children

from xframe import exchange
from xframe.errors import ModelError, UsageError
from xframe.workers import Pool, Settings, process, worker
from xframe.workflows.port import PortOptions, port


def test_workers_start_side_by_side(session, monkeypatch, tmp_path):
    """Each import waits until the other has begun: one after the other, neither would ever end."""
    (tmp_path / "meeting").mkdir()
    monkeypatch.setenv("MEETING", str(tmp_path / "meeting"))
    monkeypatch.setenv("FAULT_AT_IMPORT", "meet")
    session.start("torch", "onnx")
    pids = {session[name].hello["pid"] for name in ("torch", "onnx")}
    assert pids == {int(path.name) for path in (tmp_path / "meeting").iterdir()}


def test_one_worker_serves_every_port_of_a_session(monkeypatch):
    before, started = children(), []
    monkeypatch.setattr(worker, "Process", lambda *words: started.append(words) or process.Process(*words))
    with Pool() as pool:
        found = []
        for name in ("a.pth", "b.pth"):
            result = port("lenet5_maxavg", "torch", "torch", PortOptions(out=Path(name)), pool=pool)
            found.append((result.verdict, pool["torch"].hello["pid"], children() - before))
        assert found[0] == found[1]
        assert found[0][0] == "equivalent"
        assert len(started) == 1
        assert found[0][2] == {pool["torch"].hello["pid"], pool._guard.group}


def run(session, handle, values=(1.0, 2.0)):
    worker = session["torch"]
    ((_, inputs),) = exchange.put(session.folder, "input", [("", np.array(values, np.float32), "float32")])
    return worker.ask("run", handle=handle, inputs=inputs, dtype="float32", taps=[])


def outputs(reply):
    return exchange.get(reply.result()["outputs"][0][1]).tolist()


def test_replies_come_in_order_whoever_asks_first(session):
    for factor in range(5):
        build(session["torch"], "faulty:scaled", str(factor), factor=factor)
    replies = [run(session, str(factor)) for factor in range(5)]
    assert [outputs(reply) for reply in reversed(replies)] == [[float(n), 2.0 * n] for n in (4, 3, 2, 1, 0)]
    assert outputs(replies[3]) == [3.0, 6.0]


def test_two_models_of_one_worker_are_apart(session):
    worker = session["torch"]
    build(worker, "faulty:scaled", "source", factor=2)
    build(worker, "faulty:scaled", "target", factor=3)
    assert (outputs(run(session, "source")), outputs(run(session, "target"))) == ([2.0, 4.0], [3.0, 6.0])
    worker.call("release", handle="source")
    with pytest.raises(ModelError, match="KeyError: 'source'"):
        run(session, "source").result()
    assert outputs(run(session, "target")) == [3.0, 6.0]


def test_noise_reaches_neither_the_channel_nor_our_streams(session, capfd, monkeypatch):
    monkeypatch.setenv("FAULT_AT_IMPORT", "noise")
    worker = session["torch"]
    assert build(worker, "faulty:at_build", fault="noise").result() == []
    build(worker, "faulty:at_run", fault="noise").result()
    assert outputs(run(session, "model")) == [1.0, 2.0]
    assert capfd.readouterr() == ("", "")
    log = (session.folder / "torch.log").read_text()
    for words in ("python's noise", "descriptor's noise", "C's noise", "child noise"):
        assert log.count(words) == (6 if words in ("python's noise", "child noise") else 3)


def test_noise_leaves_one_json_object_on_stdout(command):
    code, out, err = command.run("torch/run", "noise", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["verdict"] == "equivalent"


@pytest.mark.parametrize("value", [
    np.float32(1), np.zeros(3), object(), Path("a"), len, ValueError("a"), {"deep": [np.int64(1)]}, "lone \udcff"
], ids=lambda value: type(value).__name__)  # fmt: skip
def test_nothing_but_plain_values_goes_into_a_message(session, value):
    worker = session["torch"]
    with pytest.raises(UsageError, match="holds what no message can"):
        build(worker, "faulty:scaled", factor=value)
    assert build(worker, "faulty:scaled", factor=1).result() == []


def test_nothing_is_pickled_on_the_way(session, monkeypatch):
    def refuse(*_):
        raise AssertionError

    for name in ("dump", "dumps", "load", "loads", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    build(session["torch"], "faulty:scaled", factor=2)
    assert outputs(run(session, "model")) == [2.0, 4.0]


def test_a_pool_that_nobody_asks_leaves_nothing(trace):
    with Pool(Settings()):
        assert len(list(trace.folder.iterdir())) == 1
    assert trace.find() == []
