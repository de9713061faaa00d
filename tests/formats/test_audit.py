"""A fresh process reads hostile files under an audit hook: nothing is imported, run, or opened but the file itself."""

import json
import subprocess
import sys

import pytest
from hostile import call, short, state_dict, text, torch_zip

from xframe import checkpoints

SCRIPT = """
import json, sys
from xframe import checkpoints
from xframe.errors import CheckpointError

# What a process does by itself, once: everything is loaded and cached before the hook listens.
checkpoints.read(sys.argv[1])
try:
    checkpoints.read(sys.argv[2])
except CheckpointError as error:
    pass

events, modules = [], set(sys.modules)
HARMLESS = ("object.", "sys._getframe", "marshal.", "code.__new__", "mmap.")


def hook(event, arguments):
    if not event.startswith(HARMLESS):
        events.append([event, repr(arguments[:1])])


sys.addaudithook(hook)
refused = []
for path in sys.argv[3:]:
    try:
        checkpoints.read(path)
        refused.append("taken")
    except CheckpointError as error:
        refused.append(type(error).__name__)
seen = list(events)
print(json.dumps({"refused": refused, "events": seen, "modules": sorted(set(sys.modules) - modules)}))
"""

SYSTEM = (
    state_dict(call("os", "system", text("touch here"))),
    state_dict(short("posix") + short("system") + b"\x93" + text("touch here") + b"\x85R"),
    state_dict(call("builtins", "eval", text("__import__('os').system('touch here')"), b"}")),
    state_dict(call("wave", "open", text("/etc/passwd"))),
    state_dict(call("antigravity", "x")),
    state_dict(b"cthis\ns\n"),
    b"cos\nsystem\n(S'touch here'\ntR.",
)


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    sound = folder / "sound.pth"
    checkpoints.write(sound, None, [])
    paths = [folder / f"{index}.pdparams" for index in range(len(SYSTEM))]
    for path, content in zip(paths, SYSTEM, strict=True):
        path.write_bytes(content)
    paths.append(torch_zip(folder / "a.pth", call("os", "system", text("touch here"))))
    command = [sys.executable, "-c", SCRIPT, sound, paths[0], *paths]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
    return folder, [str(path) for path in paths], json.loads(done.stdout)


def test_all_are_refused_as_unsafe(audit):
    assert set(audit[2]["refused"]) == {"UnsafeCheckpoint"}


def test_nothing_is_imported(audit):
    assert audit[2]["modules"] == []
    assert [event for event in audit[2]["events"] if event[0] == "import"] == []


def test_nothing_happens_but_the_file_is_opened(audit):
    folder, paths, said = audit
    assert {event for event, _ in said["events"]} == {"open"}
    opened = {repr((type(folder)(path),)) for path in paths} | {repr((path,)) for path in paths}
    assert {argument for _, argument in said["events"]} <= opened
    assert not (folder / "here").exists()


def test_the_hook_can_tell():
    """The same hook sees an import, an open and a command: the proof above could have failed."""
    script = SCRIPT.replace(
        "checkpoints.read(path)\n        refused",
        "__import__('os').system(':'); open('/dev/null'); import wave\n        refused",
    )
    assert script != SCRIPT
    folderless = [
        sys.executable,
        "-c",
        script.replace("checkpoints.read(sys.argv[1])", "").replace("checkpoints.read(sys.argv[2])", "pass"),
        "",
        "",
        "x",
    ]
    said = json.loads(subprocess.run(folderless, check=True, capture_output=True, text=True).stdout)
    assert {"os.system", "open", "import"} <= {event for event, _ in said["events"]}
    assert "wave" in said["modules"]
