"""A fresh process reads every hostile file under an audit hook: nothing is imported, run, written, or read outside.

The files are those of all tests in test_hostile_*.py: harvest.py keeps what they give to ``checkpoints.read``. A test
of a new format needs no line here.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hostile import array, call, short, state_dict, tensor, text, torch_zip

HERE = Path(__file__).parent
MODULES = sorted(path.stem for path in HERE.glob("test_hostile_*.py"))
FEWEST = 300  # hostile files: fewer would mean that the harvest has failed
LOOKED_AT = {"os.listdir", "os.scandir"}  # for a name like the one that is missing
CHILD_S = {"values", "result.json"}
IN_SCRATCH = {
    "tempfile.mkdtemp",
    "open",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.scandir",
    "os.listdir",
    "shutil.rmtree",
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
pytestmark = pytest.mark.xdist_group("audit")

TOUCH = text("touch here")
SYSTEM = (
    state_dict(call("os", "system", TOUCH)),
    state_dict(short("posix") + short("system") + b"\x93" + TOUCH + b"\x85R"),
    state_dict(call("builtins", "eval", text("__import__('os').system('touch here')"), b"}")),
    state_dict(call("wave", "open", text("/etc/passwd"))),
    state_dict(call("antigravity", "x")),
    state_dict(b"cthis\ns\n"),
    b"cos\nsystem\n(S'touch here'\ntR.",
)


def sound_files(folder):
    """One of each kind, so that what the process loads once is loaded."""
    folder.mkdir()
    torch_zip(folder / "a.pth", tensor())
    (folder / "a.pdparams").write_bytes(state_dict(array()))
    (folder / "evil.pdparams").write_bytes(SYSTEM[0])
    np.savez_compressed(folder / "a.npz", x=np.ones(9))
    (folder / "index.json").write_text('{"metadata": {}, "weight_map": {"x": "none"}}')
    (folder / "latin.npz").write_bytes((folder / "a.npz").read_bytes().replace(b"x.npy", b"\xff.npy"))
    (folder / "damaged.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    return folder


def audited(sound, harvest, scratch):
    scratch.mkdir()
    environment = os.environ | {"TMPDIR": str(scratch), "PYTHONPATH": str(HERE.parents[1])}
    command = [sys.executable, HERE / "audited.py", sound, harvest]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=scratch, env=environment)
    assert list(scratch.iterdir()) == []
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def harvest(tmp_path_factory):
    """Every file that a hostile test reads, and the ones above that would leave a trace."""
    folder = tmp_path_factory.mktemp("harvest")
    environment = os.environ | {"XFRAME_HARVEST": str(folder), "PYTHONPATH": f"{HERE.parents[1]}{os.pathsep}{HERE}"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "harvest", "-p", "no:cacheprovider", "--confcutdir", HERE]
    command += ["-p", "no:xdist", "--basetemp", tmp_path_factory.mktemp("runs")]
    subprocess.run(
        [*command, *sorted(HERE.glob("test_hostile_*.py"))], check=False, capture_output=True, env=environment
    )
    for index, content in enumerate(SYSTEM):
        keep_case(folder, f"system-{index}", "a.pdparams", content)
    return folder


def keep_case(folder, case, name, content):
    (folder / case / "files").mkdir(parents=True)
    (folder / case / "files" / name).write_bytes(content)
    (folder / case / "asked").write_text(name)


@pytest.fixture(scope="module")
def said(harvest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    return audited(sound_files(folder / "sound"), harvest, folder / "scratch")


def outside(harvest, case):
    """The events of a case that are more than opening its own files to read, and HDF5's child with its scratch."""
    files = f"{harvest / case['case'] / 'files'}/"
    return [event for event in case["events"] if not is_allowed(files, *event)]


def is_allowed(files, event, arguments):
    scratch = re.compile(r".*/scratch/xframe-\w+(/.*)?|\d+")  # or the descriptor of a folder
    if event == "open" and arguments[0].startswith(files):
        return int(arguments[2]) & WRITING == 0
    if event in LOOKED_AT and f"{arguments[0]}/".startswith(files):
        return True
    if event == "subprocess.Popen":
        return arguments[0] == sys.executable and "'-m', 'xframe.checkpoints.keras.child', '" in arguments[1]
    if event in IN_SCRATCH and scratch.fullmatch(arguments[0]):
        return True
    if event == "os.remove":
        return arguments[0] in CHILD_S and arguments[1].isdigit()  # below a folder's descriptor: rmtree's
    return event == "open" and (arguments[0].isdigit() or arguments[0] == os.devnull)  # the child's pipes


def test_every_module_of_hostile_files_is_harvested(said):
    kept = {case["case"].rpartition("-")[0] for case in said}
    assert {*MODULES, "system"} <= kept
    assert len(said) >= FEWEST


def test_every_request_for_code_is_refused_as_unsafe(said):
    assert {case["ended"] for case in said if case["case"].startswith("system")} == {"UnsafeCheckpoint"}


def test_nothing_is_imported(said):
    assert [case for case in said if case["modules"] or any(event == "import" for event, _ in case["events"])] == []


def test_nothing_happens_but_the_files_are_opened(harvest, said):
    assert [(case["case"], outside(harvest, case)) for case in said if outside(harvest, case)] == []


def test_only_hdf5_gets_a_child(harvest, said):
    """No more than the files that look like HDF5 or Keras' archive."""
    parents = [case["case"] for case in said if any(event == "subprocess.Popen" for event, _ in case["events"])]
    for name in parents:
        files = harvest / name / "files"
        head = (files / (harvest / name / "asked").read_text()).read_bytes()[:64]
        assert head.startswith(b"\x89HDF") or b"metadata.json" in head


def test_the_hook_can_tell(tmp_path):
    """The same process sees an import, a write and a command: the proof above could have failed."""
    harvest = tmp_path / "harvest"
    keep_case(harvest, "evil", "a", b"")
    script = (HERE / "audited.py").read_text()
    planted = script.replace(
        "        ended = outcome(path)", "        import os, wave; os.system(':'); ended = open(path, 'w').name"
    )
    assert planted != script
    (tmp_path / "planted.py").write_text(planted)
    command = [sys.executable, tmp_path / "planted.py", sound_files(tmp_path / "sound"), harvest]
    (case,) = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert {"os.system", "import", "open"} <= {event for event, _ in outside(harvest, case)}
    assert "wave" in case["modules"]
