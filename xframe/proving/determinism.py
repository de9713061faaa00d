"""Whether a model gives the same twice. One that does not can be held against nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from xframe import exchange
from xframe.comparison import Distance, Tolerance, compare_all
from xframe.proving.causes.cause import Cause
from xframe.proving.divergence import Divergence
from xframe.proving.sides import Side
from xframe.tensors import Array

# Threads may add in another order from run to run; a dropout or a random number is another matter.
_ROUNDING = Tolerance(rtol=1e-12)


def _both(distance: Distance) -> bool:
    """NaN or Inf in both runs: that is no number, and the same twice."""
    return distance.reason == "NaN or Inf in the source and the target"


def nondeterminism(side: Side, probe: Array, layers: Sequence[str]) -> Divergence | None:
    """Where two runs of one side in float64 part: the first of ``layers``, or the outputs. None where they agree."""
    with side.scratch():
        first = side.run(probe, "float64", layers)()
        calls: dict[str, list[exchange.Message]] = defaultdict(list)
        for tap in first.taps:
            calls[tap.layer].append(tap.gave[0])
        second = side.walk(probe, "float64", calls, replace=False)()
        found = ((step.layer, step.distance.judged(_ROUNDING)) for step in second.steps if not _both(step.distance))
        same = all(np.array_equal(*pair, equal_nan=True) for pair in zip(first.arrays, second.arrays, strict=True))
        outputs = compare_all(first.arrays, second.arrays, _ROUNDING)
    name, comparison = next(((name, judged) for name, judged in found if not judged), ("output", outputs))
    if comparison or (name == "output" and same):
        return None
    there = side.implementation.name
    cause = Cause(
        cause="not deterministic",
        detail=f"two runs of {there} on the same input differ, first at {name}: a dropout that is active, or another "
        f"random operation.",
        confirmed=True,
        change=f"make {there} deterministic in evaluation mode; nothing can be said of it before",
    )
    return Divergence(layer=name, source_name=name, target_name=name, comparison=comparison, causes=(cause,))
