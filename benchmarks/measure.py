"""Whole processes, measured by the operating system: wall seconds and peak resident memory, in turn A B A B …."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Command = Sequence[str]


@dataclass(frozen=True, slots=True)
class Sample:
    """One run. ``megabytes`` is the largest resident set of any process in the tree, as wait4 reports it."""

    seconds: float
    megabytes: float


def run(command: Command, folder: Path) -> Sample:
    """Run to the end; a failing command ends the benchmark with its own words."""
    launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("measured.py"))]
    # As after an installation: modules are compiled once, in the warm-up.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [*launcher, *command], cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return Sample(**json.loads(done.stderr.splitlines()[-1]))


@dataclass(frozen=True, slots=True)
class Ratio:
    """Medians of both, and of the pairwise ratios, which hold when the machine's speed drifts; how far these spread."""

    name: str
    ours: Sample
    baseline: Sample
    time: float
    lowest: float
    highest: float
    memory: float

    def line(self) -> str:
        seconds = f"{self.ours.seconds:7.2f} s {self.baseline.seconds:7.2f} s {self.time:6.2f}x"
        spread = f"{self.lowest:6.2f} to {self.highest:5.2f}x"
        memory = f"{self.ours.megabytes:7.0f} MB {self.baseline.megabytes:7.0f} MB {self.memory:6.2f}x"
        return f"{self.name:<44} {seconds} {spread} {memory}"


@dataclass(frozen=True, slots=True)
class Afresh:
    """What is done before every run: ``outputs`` go, the disk gets what is still to be written, ``pause`` seconds pass.

    A host may take back what its virtual machine has freed, within a second or so, and gives it again page by page.
    Straight after another run, who is quicker to start would find more of that run's memory still there.
    """

    outputs: Sequence[str]
    pause: float


def versus(
    name: str, ours: Command, baseline: Command, folder: Path, runs: int, *, afresh: Afresh | None = None
) -> Ratio:
    """Run both in turn, once to warm up and ``runs`` times to count."""
    for command in (ours, baseline):
        _run_afresh(command, folder, afresh)
    pairs = [(_run_afresh(ours, folder, afresh), _run_afresh(baseline, folder, afresh)) for _ in range(runs)]
    times = [ours.seconds / baseline.seconds for ours, baseline in pairs]
    return Ratio(
        name=name,
        ours=_median([pair[0] for pair in pairs]),
        baseline=_median([pair[1] for pair in pairs]),
        time=statistics.median(times),
        lowest=min(times),
        highest=max(times),
        memory=statistics.median(a.megabytes / b.megabytes for a, b in pairs),
    )


def _run_afresh(command: Command, folder: Path, afresh: Afresh | None) -> Sample:
    if afresh is not None:
        for output in afresh.outputs:
            (folder / output).unlink(missing_ok=True)
        os.sync()
        time.sleep(afresh.pause)
    return run(command, folder)


def _median(samples: Sequence[Sample]) -> Sample:
    return Sample(statistics.median(s.seconds for s in samples), statistics.median(s.megabytes for s in samples))
