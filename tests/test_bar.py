"""Progress on a real terminal: one line that never breaks, gone at the end; nothing where nobody looks."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from terminal import INTERRUPT, drawn

from xframe import checkpoints
from xframe.checkpoints import Outgoing
from xframe.tensors import TensorSpec

XFRAME = str(Path(sys.executable).with_name("xframe"))
SLOW = """
import signal, sys, time
import typer
from xframe.cli.frame import guarded, progress_on_stderr

signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored where tests run in the background

@guarded
def move(*, quiet):
    with progress_on_stderr(quiet=quiet) as progress:
        progress("planning every tensor")
        time.sleep(0.2)
        progress("writing")
        progress.expect(200_000_000)
        for _ in range(int(sys.argv[1])):
            progress.advance(5_000_000)
            time.sleep(0.02)
        progress("reading back")
        time.sleep(0.2)
    print("done")

try:
    move(quiet=sys.argv[2:] == ["quiet"])
except typer.Exit as ended:
    sys.exit(ended.exit_code)
"""
MOVE = [sys.executable, "-c", SLOW]


@pytest.fixture(scope="module")
def wide():
    return drawn([*MOVE, "40"], columns=100)


def test_step_bytes_and_rate_are_shown_in_one_line(wide):
    lines = {line for screen in wide.screens(100) for line in screen.shown}
    assert any("planning every tensor 0:00:00" in line for line in lines)
    moving = [line for line in lines if "writing" in line and "MB of 200.0 MB" in line and line.endswith("MB/s")]
    assert any(" %  " in line for line in moving)
    assert any(line.endswith("reading back 0:00:00") for line in lines)
    assert all(len(screen.shown) <= 1 for screen in wide.screens(100) if "done" not in screen.shown)


def test_a_frame_is_erased_and_drawn_in_one_write(wide):
    """Between the two a terminal would show an empty line, which flickers."""
    frames = wide.output.split(b"\r\x1b[2K")[1:]
    assert len(frames) >= 10
    assert all(frame.strip(b"\r\n") for frame in frames)


def test_a_step_that_moves_nothing_shows_no_bytes(wide):
    """Whole frames: half a line is what the terminal shows while it is drawn."""
    frames = [re.sub(rb"\x1b\[[?0-9;]*[A-Za-z]", b"", frame) for frame in wide.output.split(b"\r\x1b[2K")]
    last = [frame.partition(b"\r")[0] for frame in frames if b"reading back" in frame]
    assert last
    assert all(re.search(rb"reading back 0:00:0\d$", frame) for frame in last)


@pytest.mark.parametrize("columns", [100, 40, 20, 8])
def test_it_is_one_line_however_narrow_and_gone_at_the_end(columns, wide):
    found = wide if columns == 100 else drawn([*MOVE, "10"], columns=columns)
    heights = [len(screen.lines) for screen in found.screens(columns)]
    assert max(heights) == 2  # that of the cursor, once it stands below
    *_, last = found.screens(columns)
    assert last.shown == ["done"]
    assert (last.lines[0], last.cursor) == ("done", True)
    assert (found.code, found.same_settings) == (0, True)


def test_control_c_leaves_the_terminal_as_it_was():
    found = drawn([*MOVE, "3000"], columns=100, press=INTERRUPT, once=b"MB of")
    *_, last = found.screens(100)
    assert last.shown == ["xframe: Interrupted. Nothing was written; the workers have ended."]
    assert last.cursor
    assert (found.code, found.same_settings) == (3, True)


def test_nothing_is_drawn_when_it_is_to_be_quiet_or_the_terminal_cannot():
    assert drawn([*MOVE, "3", "quiet"]).output == b"done\r\n"
    assert drawn([*MOVE, "3"], environment={"TERM": "dumb"}).output.strip() == b"done"


def test_it_is_drawn_on_stderr():
    shell = ["sh", "-c", 'out=$("$@"); test "$out" = done', "sh"]
    found = drawn([*shell, *MOVE, "3"])
    assert (found.code, b"writing" in found.output, b"done" in found.output) == (0, True, False)


def test_nothing_is_drawn_into_a_pipe():
    done = subprocess.run([*MOVE, "3"], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("done\n", "")


@pytest.mark.parametrize(("option", "draws"), [(None, True), ("--quiet", False), ("--json", False)])
def test_the_command_draws_unless_it_is_told_not_to(tmp_path, option, draws):
    spec = TensorSpec("conv.weight", (3,), "float32")
    tables = {"linear0.weight": (2, 3), "linear0.bias": (3,)}
    tensors = [
        Outgoing.whole(TensorSpec(name, shape, spec.dtype), lambda shape=shape: np.ones(shape, "f4"))
        for name, shape in tables.items()
    ]
    checkpoints.write(tmp_path / "a.pdparams", None, tensors)
    (tmp_path / "a.toml").write_text(TABLE)
    command = [XFRAME, "convert", "a.toml", "paddle", "torch", "a.pdparams", "a.pth", *([option] if option else [])]
    found = drawn(command, folder=tmp_path)
    assert found.code == 0, found.output
    assert (b"\x1b[?25l" in found.output) == draws
    if draws:
        *_, last = found.screens(80)
        assert last.cursor
        assert last.shown[0].startswith("a  paddle → torch  converted")
    if option == "--quiet":
        assert found.output == b""


TABLE = """summary = "one layer"
input   = [2]

[implementations]
paddle = { build = "nowhere:paddle" }
torch  = { build = "nowhere:torch" }

[[layers]]
kind   = "linear"
for    = { i = "0..0" }
sizes  = { in = 2, out = 3 }
paddle = "linear{i}"
torch  = "linear{i}"
"""
