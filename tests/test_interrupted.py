"""Ctrl-C at any moment of the start is one line on stderr and exit code 3: most of the start is imports."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = [[str(Path(sys.executable).with_name("xframe"))], [sys.executable, "-m", "xframe"]]
# Ctrl-C is ignored where tests run in the background, and children inherit that.
LISTENS = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"


def interrupted(command, module):
    """Sends SIGINT once ``module`` has been imported: Python tells each on stderr. The pipe holds few of these lines,
    so that the process waits for its reader and is never far ahead. Exit code, stdout, and what came last on stderr.
    """
    started = [sys.executable, "-c", LISTENS, *command]
    environment = os.environ | {"PYTHONPROFILEIMPORTTIME": "1"}
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as child:
        fcntl.fcntl(child.stderr, fcntl.F_SETPIPE_SZ, 4096)
        for line in child.stderr:
            if line.rpartition("|")[2].strip() == module:
                child.send_signal(signal.SIGINT)
                break
        out, err = child.communicate(timeout=60)
    return child.returncode, out, err


@pytest.mark.parametrize("command", COMMANDS, ids=["command", "module"])
@pytest.mark.parametrize("module", ["inspect", "typer._click.core", "typer.main", "xframe.cli.app", "rich.console"])
def test_an_interrupt_during_the_imports(command, module):
    """The last of them happens in the help, behind all checks of ours."""
    code, out, err = interrupted([*command, "--help"], module)
    assert (code, out) == (3, ""), err[-2000:]
    assert "Traceback" not in err
    assert err.endswith("xframe: Interrupted.\n")
    assert err.count("xframe: ") == 1


def test_an_interrupt_during_the_imports_of_a_command(tmp_path):
    code, out, err = interrupted([*COMMANDS[0], "inspect", str(tmp_path / "none.npz")], "numpy.version")
    assert (code, out) == (3, ""), err[-2000:]
    assert "Traceback" not in err
    assert err.endswith("xframe: Interrupted. Nothing was written; the workers have ended.\n")


def test_importing_the_commands_leaves_handlers_as_they_were():
    """In any thread, and where Ctrl-C is ignored."""
    program = """
import signal, sys, threading
handler = {"default": signal.default_int_handler, "ignored": signal.SIG_IGN}.get(sys.argv[1], lambda *_: None)
signal.signal(signal.SIGINT, handler)
def load():
    import xframe.cli
    done.append(1)
done = []
if sys.argv[2] == "thread":
    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
else:
    load()
assert done and signal.getsignal(signal.SIGINT) is handler
"""
    for handler in ("default", "ignored", "own"):
        for where in ("main", "thread"):
            subprocess.run([sys.executable, "-c", program, handler, where], check=True)
