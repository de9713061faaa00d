"""What a layer diff costs: beside a plain forward pass of both sides, in turn, in the same workers, and in memory."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xframe.comparison import Tolerance
from xframe.files import reader
from xframe.mapping import load_table
from xframe.planning import make_plan
from xframe.proving.layer_diff import diff_layers
from xframe.proving.probe import random_input
from xframe.proving.proof import load_planned, load_source
from xframe.proving.sides import Side
from xframe.proving.weights import at_random
from xframe.tensors import Array
from xframe.workers import Pool

MODELS = ("resnet18", "resnet50", "resnet101")  # one family, growing deep
Sides = tuple[Side, Side]


def main() -> None:
    """A line a model: seconds and ratio, and by how much the largest of the processes grows."""
    parser = argparse.ArgumentParser(prog="benchmarks.layers", description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--source", default="paddle")
    parser.add_argument("--target", default="torch")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    print(f"{given.source} and {given.target}, float64, batch 2 at 224 × 224; medians of {given.runs} runs in turn")
    print(
        f"{'model':<12} {'calls':>5} {'plain':>8} {'diff':>8} {'ratio':>6}  peak memory of each process, plain and diff"
    )
    for model in given.models:
        print(line(model, given.source, given.target, given.runs), flush=True)


def line(model: str, source: str, target: str, runs: int) -> str:
    """The figures of one model, both sides loaded with the same random weights."""
    with Pool() as pool:
        sides, probe = loaded(pool, model, source, target)
        both(sides, probe)  # once for what is made at first use
        pairs = [
            (measured(pool, lambda: both(sides, probe)), measured(pool, lambda: diff(sides, probe)))
            for _ in range(runs)
        ]
        calls = diff(sides, probe)
    plain, differing = (statistics.median(seconds for seconds, _ in column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(after[0] / before[0] for before, after in pairs)
    peaks = [
        {name: max(peak[name] for _, peak in column) for name in column[0][1]} for column in zip(*pairs, strict=True)
    ]
    memory = ", ".join(f"{name} {peaks[0][name]:.0f} → {peaks[1][name]:.0f} MB" for name in peaks[0])
    return f"{model:<12} {calls:5} {plain:6.2f} s {differing:6.2f} s {ratio:5.2f}x  {memory}"


def loaded(pool: Pool, model: str, source: str, target: str) -> tuple[Sides, Array]:
    """Both sides in float64, the target's weights carried over by the table, and the probe."""
    table = load_table(model)
    one, other = (
        Side(pool, table, table.implementation(name), f"bench {name}", "float64") for name in (source, target)
    )
    weights = at_random(one, 0, pool)
    held = {name: tensor.spec for name, tensor in weights.tensors.items()}
    plan = make_plan(table, source, target, held, reader(weights), wanted=other.specs, dtype="float64")
    for check in (load_source(one, weights, pool, "float64"), load_planned(other, plan, weights, pool)):
        check()
    return (one, other), random_input(table, 0)


def both(sides: Sides, probe: Array) -> None:
    """A plain forward pass of either side, at the same time."""
    for wait in [side.run(probe, "float64") for side in sides]:
        wait()


def diff(sides: Sides, probe: Array) -> int:
    """Every layer compared, free-running and re-fed; how many calls of layers there were."""
    found = diff_layers(*sides, probe, Tolerance())
    if not all(found.calls):
        raise SystemExit("the layers differ: there is nothing to measure")
    return len(found.calls)


def measured(pool: Pool, work: Callable[[], Any]) -> tuple[float, dict[str, float]]:
    """Seconds, and the peak resident memory of every process meanwhile, in megabytes."""
    processes = {**pool.pids, "xframe": "self"}
    for process in processes.values():
        Path(f"/proc/{process}/clear_refs").write_text("5")
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    return seconds, {name: peak(process) for name, process in processes.items()}


def peak(process: int | str) -> float:
    """VmHWM, which ``clear_refs`` sets back (proc(5))."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(next(row for row in status.splitlines() if row.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    main()
