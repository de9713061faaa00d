"""What a session is watched with: its processes, its files, and the command as a user runs it."""

import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

HERE = Path(__file__).parent
COMMAND = Path(sys.executable).parent / "xframe"
SITE = Path(sysconfig.get_paths()["purelib"])


def processes(folder):
    """The processes, zombies apart, whose environment names ``folder`` as their TMPDIR; this one is not among them."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            environment, line = (path / "environ").read_bytes(), (path / "cmdline").read_bytes()
        except OSError:
            continue
        if f"TMPDIR={folder}".encode() in environment.split(b"\0") and int(path.name) != os.getpid():
            found[int(path.name)] = line.replace(b"\0", b" ").decode(errors="replace")
    return found


def children():
    """Child processes of this one, dead ones that nobody has waited for included."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.add(int(path.name))
    return found


def descriptors():
    """How many files this process holds open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def wait_until(true, seconds=10):
    """What ``true`` returns when it is true, or at last."""
    end = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


class Trace:
    """What a session leaves."""

    def __init__(self, folder):
        self.folder = folder

    def find(self):
        return [*processes(self.folder).values(), *sorted(path.name for path in self.folder.iterdir())]

    def gone(self, seconds):
        """Whether nothing is left, within ``seconds``."""
        return wait_until(lambda: not self.find(), seconds)


def build(worker, factory, handle="model", **options):
    return worker.ask("build", handle=handle, factory=factory, options=options, dtype="float32")


TABLE = """
summary = "one linear layer"
input = [1, 2, 2]
[implementations]
torch = { build = "real:net" }
"torch/build" = { build = "faulty:at_build" }
"torch/run" = { build = "real:at_run" }
[[layers]]
kind = "linear"
sizes = { in = 4, out = 2 }
torch = "linear"
"torch/build" = "linear"
"torch/run" = "linear"
"""
OLD = b"what stood there before"


class Command:
    """`xframe port`, as a user runs it, onto a file that exists already."""

    def __init__(self, folder):
        self.out = folder / "out.pth"
        self.out.write_bytes(OLD)
        (folder / "table.toml").write_text(TABLE)

    def start(self, source, fault="none", *more):
        """In a session of its own, as a terminal would start it."""
        words = [COMMAND, "port", "./table.toml", source, "torch", "--out", self.out, *more]
        pipe = subprocess.PIPE
        environment = os.environ | {"FAULT": fault}
        return subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, start_new_session=True, env=environment)

    def run(self, source, fault="none", *more):
        with self.start(source, fault, *more) as process:
            out, err = process.communicate(timeout=60)
            return process.returncode, out, err

    def partial(self):
        """Files beside the output that were not there before."""
        return sorted(path.name for path in self.out.parent.iterdir() if path.name.startswith("."))

    def untouched(self):
        return self.out.read_bytes() == OLD and not self.partial()


def one_paragraph(text):
    return text.startswith("xframe: ") and text.count("\n") == 1 and "Traceback (most recent call last)\n" not in text
