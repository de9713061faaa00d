"""A layer that one side calls more often than the other."""

from __future__ import annotations

from xframe.comparison import Tolerance, compare_all
from xframe.proving.causes.cause import Cause
from xframe.proving.layer_diff import LayerDiffs, Uneven, expected
from xframe.proving.sides import Side
from xframe.tensors import Array


def first_uneven(diffs: LayerDiffs) -> Uneven | None:
    """The first layer whose calls have no counterpart before anything differs; None where there is none."""
    first = next((index for index, diff in enumerate(diffs.calls) if not diff.free), len(diffs.calls))
    found = sorted((uneven for uneven in diffs.uneven if uneven.behind <= first), key=lambda uneven: uneven.behind)
    return found[0] if found else None


def diagnose_calls(source: Side, target: Side, probe: Array, uneven: Uneven, tolerance: Tolerance) -> Cause:
    """Confirmed where the outputs agree once the target's last call gives what the source's last call gave."""
    one, other = uneven.counts
    here, there = source.implementation.name, target.implementation.name
    return Cause(
        cause="calls",
        detail=f"{here} calls {uneven.source_name} {_times(one)}, {there} calls {uneven.target_name} {_times(other)}.",
        confirmed=min(one, other) > 0 and _agrees(source, target, probe, uneven, tolerance),
        change=f"let {there} call {uneven.target_name} {_times(one)}",
    )


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _agrees(source: Side, target: Side, probe: Array, uneven: Uneven, tolerance: Tolerance) -> bool:
    with source.scratch():
        ran = source.run(probe, "float64", [uneven.source_name])()
        calls = expected(ran, source, target, {uneven.source_name: uneven.layer})[uneven.target_name]
        shared = calls[: min(uneven.counts) - 1]
        instead = [*shared, *([calls[-1]] * (uneven.counts[1] - len(shared)))]
        again = target.run(probe, "float64", instead={uneven.target_name: instead})()
        return bool(compare_all(ran.arrays, again.arrays, tolerance))
