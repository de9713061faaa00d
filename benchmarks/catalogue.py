"""`python -m benchmarks.catalogue [MODEL …] [--out FILE.md]`: every architecture, every ordered pair of its columns.

Each pair is ported with random weights and proven, then ported back: the file must hold the digests that it began with.
Ends with 1 if a pair is not equivalent or its way back is not exact.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from xframe.errors import XframeError
from xframe.mapping import load_table, table_names
from xframe.report.units import figure
from xframe.workers import Pool
from xframe.workflows.port import PortOptions, port

HEADER = """# The catalogue

Written by `make catalogue`; do not edit. A row is one ordered pair: random weights, in which every tensor differs from
every other, ported from the first column to the second at the input size of the table, loaded, read back, run on both
sides, and ported back. **float64** and **float32** are the largest differences of the outputs, relative to the largest
output; float64 decides, and `equivalent` means at most 1e-9. **exact** says that the way back gave the digests it began
with. **seconds** are of the port with its proof, frameworks already imported; **MB** sums the largest resident sets of
the command and both workers meanwhile.
"""
HEADINGS = "| source | target | verdict | float64 | float32 | tensors | exact | seconds | MB |"
RULE = "|---|---|---|---:|---:|---:|---|---:|---:|"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One ordered pair. ``error`` is what a port that was refused said."""

    source: str
    target: str
    verdict: str
    float64: float = 0.0
    float32: float = 0.0
    tensors: int = 0
    exact: bool = False
    seconds: float = 0.0
    megabytes: float = 0.0
    error: str = ""

    @property
    def holds(self) -> bool:
        return self.verdict == "equivalent" and self.exact

    def row(self) -> str:
        if self.error:
            return f"| {self.source} | {self.target} | {self.verdict}: {self.error} | | | | | | |"
        exact = "yes" if self.exact else "NO"
        figures = f"{figure(self.float64)} | {figure(self.float32)} | {self.tensors} | {exact}"
        cost = f"{self.seconds:.1f} | {self.megabytes:.0f}"
        return f"| {self.source} | {self.target} | {self.verdict} | {figures} | {cost} |"


def main() -> None:
    """Port, print as it goes, write."""
    parser = argparse.ArgumentParser(prog="benchmarks.catalogue", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="names or paths of tables; all of them by default")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="also write the table here")
    arguments = parser.parse_args()
    found = dict(architectures(arguments.models or table_names()))
    pairs = [pair for pairs in found.values() for pair in pairs]
    held = sum(pair.holds for pair in pairs)
    print(f"{len(found)} architectures, {len(pairs)} ordered pairs: {held} equivalent and exact")
    if arguments.out:
        arguments.out.write_text(document(found), encoding="utf-8")
    sys.exit(held != len(pairs))


def architectures(models: Sequence[str]) -> Iterator[tuple[str, list[Found]]]:
    """Every model's pairs. Its workers end with it: what one network took must not be counted for the next."""
    for model in models:
        with Pool() as pool, tempfile.TemporaryDirectory(prefix="xframe-catalogue-") as folder:
            found = []
            for pair in _pairs(model, pool, Path(folder)):
                print(f"{model:<24} {pair.row()}", flush=True)
                found.append(pair)
            yield model, found


def _pairs(model: str, pool: Pool, folder: Path) -> Iterator[Found]:
    """Every ordered pair of the model's columns; a model with one column is held against itself."""
    columns = load_table(model).implementations
    pool.start(*(column.framework.name for column in columns.values()))
    starts = {}
    for source, target in list(permutations(columns, 2)) or [(*columns, *columns)]:
        try:
            if source not in starts:
                starts[source] = _start(model, source, pool, folder)
            yield _pair(model, source, target, starts[source], pool)
        except XframeError as error:
            words = str(error).splitlines()[0]
            yield Found(source=source, target=target, verdict="refused", error=words)


def _start(model: str, source: str, pool: Pool, folder: Path) -> tuple[Path, Mapping[str, str]]:
    """Random weights of a column in a file, and the digest of every tensor."""
    out = folder / f"{source.replace('/', '-')}.npz"
    result = port(model, source, source, PortOptions(out=out, verify=False), pool=pool)
    return out, result.digests


def _pair(model: str, source: str, target: str, start: tuple[Path, Mapping[str, str]], pool: Pool) -> Found:
    weights, digests = start
    there, back = weights.with_name("there.npz"), weights.with_name("back.npz")
    processes = _processes(pool, source, target)
    _forget_peaks(processes)
    began = time.perf_counter()
    result = port(model, source, target, PortOptions(weights=weights, out=there), pool=pool)
    seconds, megabytes = time.perf_counter() - began, _peaks(processes)
    assert result.proof is not None
    exact = False
    if result.out is not None:
        returned = port(model, target, source, PortOptions(weights=there, out=back, verify=False), pool=pool)
        exact = returned.digests == digests
    for path in (there, back):
        path.unlink(missing_ok=True)
    return Found(
        source=source,
        target=target,
        verdict=result.verdict,
        float64=result.proof.float64.max_rel,
        float32=result.proof.float32.max_rel,
        tensors=len(result.plan.moves),
        exact=exact,
        seconds=seconds,
        megabytes=megabytes,
    )


def _processes(pool: Pool, *columns: str) -> list[Path]:
    """Ours, and those of these columns' workers."""
    frameworks = {column.partition("/")[0] for column in columns}
    return [Path("/proc/self"), *(Path(f"/proc/{pool.pids[framework]}") for framework in frameworks)]


def _forget_peaks(processes: Sequence[Path]) -> None:
    """Their largest resident sets are counted anew from here (proc(5), clear_refs)."""
    for process in processes:
        (process / "clear_refs").write_text("5")


def _peaks(processes: Sequence[Path]) -> float:
    """The sum of the largest resident sets, in MB."""
    lines = (line for process in processes for line in (process / "status").read_text().splitlines())
    return sum(int(line.split()[1]) * 1.024e-3 for line in lines if line.startswith("VmHWM"))


def document(found: Mapping[str, Sequence[Found]]) -> str:
    """docs/catalogue.md."""
    pairs = [pair for pairs in found.values() for pair in pairs]
    held = sum(pair.holds for pair in pairs)
    machine = platform.processor() or platform.machine()
    lines = [
        HEADER,
        f"{len(found)} architectures, {len(pairs)} ordered pairs, {held} of them equivalent and exact ({machine}).",
    ]
    for model, rows in found.items():
        lines += ["", f"## {Path(model).stem}", "", load_table(model).summary + ".", "", HEADINGS, RULE]
        lines += [pair.row() for pair in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
