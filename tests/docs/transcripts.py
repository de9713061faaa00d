"""What a document shows, run and compared.

A ``console`` block holds commands (``$ …``) and what they print, on stdout and stderr together. A ``python`` block is
run too; a ``text`` block right behind it is what it prints on stdout. A block behind ``<!-- not run: reason -->`` is
left out. A command must end with 0 unless the next one is ``$ echo $?``.

What a document shows is what is printed, but for these:

- ``…`` stands for any part of a line; alone on a line, for any lines;
- figures with an exponent (``3.5e-10``) or with six decimals or more may differ a hundredfold: they are rounding noise,
  and processors round differently; below ``NOISE`` any figure may be any other, and 0;
- where layers are ranked by what is only noise, others may have come out first;
- seconds may be any, and steps of a run that take none are not named;
- torch's build (``2.13.0+cpu``) and Python's patch release may be another;
- white space at the end of a line does not count, nor how wide the gap between columns is.
"""

import difflib
import itertools
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ELISION = "…"
HUNDREDFOLD = 100
NOISE = 1e-12
_RANKING = "the layers that are furthest apart"
_GAP = re.compile(r" {2,}")
_FENCE = re.compile(r"^```(\w*)\s*$")
_NOT_RUN = re.compile(r"^<!-- not run: .+ -->$")
_STEPS = (
    "read|import|build|plan|write|load|run|diagnose|gradients|train|optimizer|export|hold|compare|pair|try|prove|total"
)
_NAMED = rf"\ +\((?:{_STEPS})\ \d+\.\d(?:,\ (?:{_STEPS})\ \d+\.\d)*\)"
_VARIES = re.compile(
    rf"""(?P<elision>{ELISION})
    | (?P<figure>(?<![\w.])\d+(?:\.\d+)?e[-+]?\d+(?!\w) | (?<![\w.])\d+\.\d{{6,}}(?![\w.]) | (?<![\w.:])0(?![\w.:]))
    | (?P<took>\d+\.\d+\ s(?:{_NAMED})?$)
    | (?P<seconds>\d+\.\d+(?=\ s\b))
    | (?P<json_step>"(?:{_STEPS})":\ \d+(?:\.\d+)?)
    | (?P<build>\+(?:cpu|cu\d+)\b)
    | (?P<python>"python":\ "3\.\d+\.\d+")""",
    re.VERBOSE,
)
_ANY = {
    "elision": ".*?",
    "figure": r"(\d+(?:\.\d+)?(?:e[-+]?\d+)?)",
    "took": rf"\d+\.\d+ s(?:{_NAMED})?",
    "seconds": r"\d+\.\d+",
    "json_step": rf'"(?:{_STEPS})": \d+(?:\.\d+)?',
    "build": r"(?:\+\w+)?",
    "python": r'"python": "3\.\d+\.\d+"',
}


@dataclass
class Command:
    """One thing to run. ``start`` and ``end`` bound the lines that show its output."""

    source: str
    kind: str
    start: int
    end: int
    shown: list[str] | None


def commands(lines):
    """Every command of a document, in order."""
    found, index = [], 0
    while index < len(lines):
        fence = _FENCE.match(lines[index])
        if fence is None:
            index += 1
            continue
        close = next(i for i in range(index + 1, len(lines)) if lines[i].rstrip() == "```")
        left_out = index > 0 and _NOT_RUN.match(lines[index - 1])
        if fence[1] == "console" and not left_out:
            found.extend(_console(lines, index + 1, close))
        elif fence[1] == "python" and not left_out:
            found.append(_python(lines, index + 1, close))
        index = close + 1
    return found


def _console(lines, start, close):
    prompts = [i for i in range(start, close) if lines[i].startswith("$ ")]
    for here, following in zip(prompts, [*prompts[1:], close], strict=True):
        first = here
        while lines[first].endswith("\\"):
            first += 1
        source = "\n".join(lines[here : first + 1]).removeprefix("$ ")
        yield Command(source, "console", first + 1, following, lines[first + 1 : following])


def _python(lines, start, close):
    source = "\n".join(lines[start:close])
    behind = close + 1
    while behind < len(lines) and not lines[behind].strip():
        behind += 1
    if behind < len(lines) and lines[behind].rstrip() == "```text":
        end = next(i for i in range(behind + 1, len(lines)) if lines[i].rstrip() == "```")
        return Command(source, "python", behind + 1, end, lines[behind + 1 : end])
    return Command(source, "python", close, close, None)


def line_agrees(shown, printed):
    """Whether one printed line is what the document shows."""
    pattern, figures, position = "", [], 0
    for match in _VARIES.finditer(shown):
        pattern += re.escape(shown[position : match.start()]) + _ANY[match.lastgroup]
        if match.lastgroup == "figure":
            figures.append(float(match[0]))
        position = match.end()
    found = re.fullmatch(pattern + re.escape(shown[position:]), printed)
    return found is not None and all(map(_near, figures, map(float, found.groups())))


def _near(one, other):
    if max(one, other) < NOISE:
        return True
    return one == other or (one > 0 < other and 1 / HUNDREDFOLD <= one / other <= HUNDREDFOLD)


def agrees(shown, printed):
    """Whether printed lines are what the document shows."""
    return _agree(list(_comparable(shown)), list(_comparable(printed)))


def _comparable(lines):
    """Columns with gaps of one width; layers that are ranked by noise without their names."""
    ranked = False
    for line in lines:
        ranked = bool(line.strip()) and (ranked or line.strip() == _RANKING)
        figures = [word for word in line.split() if _VARIES.fullmatch(word)]
        is_noise = ranked and figures and all(float(figure) < NOISE for figure in figures)
        yield "  ".join(["a layer", *figures]) if is_noise else _GAP.sub("  ", line)


def _agree(shown, printed):
    if not shown:
        return not printed
    if shown[0].strip() == ELISION:
        return any(_agree(shown[1:], printed[skipped:]) for skipped in range(len(printed) + 1))
    return bool(printed) and line_agrees(shown[0], printed[0]) and _agree(shown[1:], printed[1:])


@dataclass
class Shell:
    """Runs commands in one folder, one after the other."""

    folder: Path
    code: int = 0
    env: dict = field(init=False)

    def __post_init__(self):
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("XFRAME_", "PYTHON", "FORCE_COLOR", "COLUMNS"))
        }
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.env = inherited | {"PATH": path, "TERM": "dumb", "LC_ALL": "C.UTF-8"}

    def run(self, command):
        """Printed lines, and what else is needed to understand a failure."""
        python = command.kind == "python"
        arguments = (
            [sys.executable, "-c", command.source]
            if python
            else ["bash", "-c", f"(exit {self.code}); {command.source}"]
        )
        done = subprocess.run(
            arguments, cwd=self.folder, env=self.env, text=True, timeout=300, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE if python else subprocess.STDOUT,
        )  # fmt: skip
        self.code = done.returncode
        return [line.rstrip() for line in done.stdout.splitlines()], (done.stderr or "")[-2000:]


def failures(lines, shell):
    """Run a document's commands. Yields (command, printed lines, what is wrong) for each that is not as shown."""
    todo = commands(lines)
    for index, command in enumerate(todo):
        printed, log = shell.run(command)
        asked = any(following.source == "echo $?" for following in todo[index + 1 : index + 2])
        if shell.code != 0 and not asked:
            yield command, printed, "\n".join([f"exit code {shell.code}", *printed, log])
        elif command.shown is not None and not agrees(command.shown, printed):
            difference = difflib.unified_diff(command.shown, printed, "shown", "printed", lineterm="")
            yield command, printed, "\n".join(difference)


def refreshed(lines, changes):
    """The document with ``changes``, (command, printed lines), put in place of what it showed."""
    lines = list(lines)
    for command, printed in reversed(changes):
        lines[command.start : command.end] = elided(command.shown or [], printed)
    return lines


def elided(shown, printed):
    """``printed``, cut where ``shown`` was: its first and last lines, and the lines most like those between cuts."""
    cuts = [i for i, line in enumerate(shown) if line.strip() == ELISION]
    if not cuts or len(printed) < len(shown):
        return printed
    kept, position, end = printed[: cuts[0]], cuts[0], len(printed) - (len(shown) - cuts[-1] - 1)
    for start, stop in itertools.pairwise(cuts):
        position = _most_like(shown[start + 1], printed, range(position, end))
        kept += [ELISION, *printed[position : position + stop - start - 1]]
        position += stop - start - 1
    return [*kept, ELISION, *printed[end:]]


def _most_like(line, printed, indices):
    return max(indices, key=lambda i: difflib.SequenceMatcher(None, printed[i], line).ratio())
