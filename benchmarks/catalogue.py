"""`python -m benchmarks.catalogue [MODEL …] [--out FILE.md]`: every architecture, every ordered pair of its columns.

Each pair is ported with random weights and proven, then ported back: the file must hold the digests that it began with.
Ends with 1 if a pair is not equivalent, or its way back is not exact.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from benchmarks.catalogue_page import section, write
from xframe.errors import XframeError
from xframe.mapping import Table, load_table, table_names
from xframe.proving.verdict import PortResult
from xframe.report.units import figure
from xframe.workers import Pool
from xframe.workflows.port import PortOptions, port


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
    """Port, print as it goes, write after every architecture."""
    parser = argparse.ArgumentParser(prog="benchmarks.catalogue", description=__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="names or paths of tables; all of them by default")
    parser.add_argument("--size", type=int, metavar="N", help="images of N × N, where a table leaves their size open")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="also write the tables here; other models' stay")
    arguments = parser.parse_args()
    pairs: list[Found] = []
    models = arguments.models or table_names()
    for model in models:
        table = sized(model, arguments.size)
        rows = list(every_pair(table))
        pairs += rows
        if arguments.out:
            write(arguments.out, section(table, [row.row() for row in rows]))
    held = sum(pair.holds for pair in pairs)
    print(f"{len(models)} architectures, {len(pairs)} ordered pairs: {held} equivalent and exact")
    sys.exit(held != len(pairs))


def sized(model: str, size: int | None) -> Table:
    """The model's table, its images of another size where it leaves that open."""
    table = load_table(model)
    return table if size is None else load_table(model, dict.fromkeys(table.lengths, size))


def every_pair(table: Table) -> Iterator[Found]:
    """Every ordered pair of a table's columns. The workers end with it: what they took must not be the next one's."""
    columns = table.implementations
    with Pool() as pool, tempfile.TemporaryDirectory(prefix="xframe-catalogue-") as folder:
        pool.start(*(column.framework.name for column in columns.values()))
        pairs = Pairs(table, pool, Path(folder))
        for source, target in permutations(columns, 2):
            found = pairs.port(source, target)
            print(f"{table.name:<24} {found.row()}", flush=True)
            yield found


class Pairs:
    """The ports of one architecture, between workers that stay."""

    def __init__(self, table: Table, pool: Pool, folder: Path) -> None:
        self._table, self._pool, self._folder = table, pool, folder
        self._starts: dict[str, tuple[Path, Mapping[str, str]]] = {}

    def port(self, source: str, target: str) -> Found:
        """There with its proof, and back."""
        try:
            return self._port(source, target)
        except XframeError as error:
            return Found(source=source, target=target, verdict="refused", error=str(error).splitlines()[0])

    def _carried(self, source: str, target: str, out: str, weights: Path | None, *, verify: bool) -> PortResult:
        options = PortOptions(weights=weights, out=self._folder / out, verify=verify, set=self._table.options)
        return port(str(self._table.file), source, target, options, pool=self._pool)

    def _start(self, source: str) -> tuple[Path, Mapping[str, str]]:
        """Random weights of a column in a file, and the digest of every tensor."""
        if source not in self._starts:
            out = f"{source.replace('/', '-')}.npz"
            result = self._carried(source, source, out, None, verify=False)
            self._starts[source] = self._folder / out, result.digests
        return self._starts[source]

    def _port(self, source: str, target: str) -> Found:
        weights, digests = self._start(source)
        processes = _processes(self._pool, source, target)
        _forget_peaks(processes)
        began = time.perf_counter()
        there = self._carried(source, target, "there.npz", weights, verify=True)
        seconds, megabytes = time.perf_counter() - began, _peaks(processes)
        assert there.proof is not None
        exact = False
        if there.out is not None:
            exact = self._carried(target, source, "back.npz", there.out, verify=False).digests == digests
        return Found(
            source=source,
            target=target,
            verdict=there.verdict,
            float64=there.proof.float64.max_rel,
            float32=there.proof.float32.max_rel,
            tensors=len(there.plan.moves),
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


if __name__ == "__main__":
    main()
