"""A real terminal for tests: a command runs on a pseudo-terminal of its own, and what it draws is kept."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from dataclasses import dataclass

# Control sequences (ECMA-48), control characters, text.
_TOKENS = re.compile(rb"\x1b\[([?0-9;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)|(\x1b)")
INTERRUPT = b"\x03"  # what Ctrl-C sends


@dataclass(frozen=True)
class Drawn:
    """What came out on the terminal, the exit code, and whether the terminal is set as it was before."""

    output: bytes
    code: int
    same_settings: bool

    def screens(self, columns):
        """What the terminal shows after each token, as a list of lines."""
        screen = Screen(columns)
        for match in _TOKENS.finditer(self.output):
            screen.take(*match.groups())
            yield screen


class Screen:
    """As much of a terminal as progress needs: lines, a cursor, erasing. Anything else is an error."""

    def __init__(self, columns):
        self.columns, self.lines, self.row, self.column, self.cursor = columns, [""], 0, 0, True

    def take(self, argument, command, newline, text, stray):
        assert not stray
        if text:
            self._write(text.decode())
        elif newline:
            self._move(newline)
        elif command == b"A":
            self.row -= int(argument or 1)
            assert self.row >= 0
        elif command == b"K":
            assert argument == b"2"
            self.lines[self.row] = ""
        elif command in b"hl":
            assert argument == b"?25"
            self.cursor = command == b"h"
        else:
            assert command == b"m"

    def _move(self, newline):
        if newline == b"\r":
            self.column = 0
            return
        self.row += 1
        self.lines += [""] * (self.row + 1 - len(self.lines))

    def _write(self, text):
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[: self.column] + text + line[self.column + len(text) :]
        self.column += len(text)
        assert self.column <= self.columns, "a line that the terminal would break"

    @property
    def shown(self):
        return [line.rstrip() for line in self.lines if line.strip()]


def drawn(command, *, columns=80, folder=None, press=b"", once=b"", environment=None):
    """Runs ``command`` on a terminal; ``press`` is typed as soon as ``once`` has appeared."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    before = termios.tcgetattr(inner)
    variables = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    variables |= {"TERM": "xterm-256color", **(environment or {})}
    # setsid alone gives no controlling terminal, and without one Ctrl-C is no signal.
    with subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command],
        stdin=inner, stdout=inner, stderr=inner, cwd=folder, env=variables,
    ) as child:  # fmt: skip
        output = _collected(outer, child, press, once)
    found = Drawn(output, child.returncode, termios.tcgetattr(inner) == before)
    os.close(inner)
    os.close(outer)
    return found


def _collected(outer, child, press, once):
    output, ends = b"", time.monotonic() + 60
    while True:
        ended = child.poll() is not None
        ready, _, _ = select.select([outer], [], [], 0 if ended else 0.02)
        if ready:
            output += os.read(outer, 65_536)
        elif ended:
            return output
        if press and once in output:
            os.write(outer, press)
            press = b""
        assert time.monotonic() < ends, output
