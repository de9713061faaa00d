"""``python -m fuzz [TARGET …] [--seconds N] [--findings FOLDER]``: fuzzes one parser after another."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from fuzz import seeds
from fuzz.targets import TARGETS, Target

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder in memory, where there is one
_LONGEST = 60  # seconds for one input by the clock; drive.py bounds the processor's
_MOST_MEMORY = 512  # MiB for the whole process
_GRACE = 300  # seconds after which a run that does not end is ended: imports alone take long on a busy machine


def main() -> int:
    """Exit code 1 if a run ended with a finding. It is printed, and lies in the findings' folder."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(TARGETS)}; all if none")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--findings", type=Path, default=Path("findings"), help="folder for inputs that break a reader")
    options = parser.parse_args()
    unknown = [name for name in options.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    broken = [name for name in options.targets or TARGETS if _fuzz(name, options.seconds, options.findings)]
    print("broken: " + ", ".join(broken) if broken else "nothing found")
    return 1 if broken else 0


def _fuzz(name: str, seconds: int, findings: Path) -> int:
    findings.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="xframe-fuzz-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as folder:
        scratch, grown = Path(folder, "scratch"), Path(folder, "grown")
        scratch.mkdir()
        grown.mkdir()
        target = TARGETS[name]
        seeds.prepare(target, scratch)
        found = f"-artifact_prefix={findings.absolute()}/{name}-"
        command = [sys.executable, "-m", "fuzz.drive", name, str(scratch), found, *_bounds(target, seconds), str(grown)]
        print(f"{name}: {seconds} s", flush=True)
        known = [str(folder) for folder in seeds.folders(target)]
        try:
            return subprocess.run(  # noqa: S603 - our own interpreter and module
                [*command, *known], check=False, timeout=seconds + _GRACE, cwd=seeds.HERE.parent
            ).returncode
        except subprocess.TimeoutExpired:
            print(f"{name}: no end after {seconds + _GRACE} s")
            return 1


def _bounds(target: Target, seconds: int) -> list[str]:
    """Options of libFuzzer: time and memory of one input, its length, and words that the format is made of."""
    words = [f"-dict={seeds.HERE / 'dictionaries' / target.dictionary}.dict"] if target.dictionary else []
    return [
        f"-max_total_time={seconds}",
        f"-timeout={_LONGEST}",
        f"-rss_limit_mb={_MOST_MEMORY}",
        f"-max_len={target.longest}",
        "-print_final_stats=1",
        "-verbosity=1",
        *words,
    ]


if __name__ == "__main__":
    sys.exit(main())
