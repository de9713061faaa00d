"""Who agrees with whom: each implementation and its export, every pair of them, in both precisions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xframe.comparison import Comparison, Tolerance, compare_all, incomparable
from xframe.mapping import Implementation
from xframe.proving.onnx.parity import CONSTANTS, ROUNDED, Native, Parity
from xframe.proving.outputs import BothPrecisions, in_one_form


@dataclass(frozen=True, slots=True, kw_only=True)
class Corner:
    """A model, or its export, with its outputs and how far float32 may be from float64 in it."""

    name: str
    implementation: Implementation
    outputs: BothPrecisions
    bound: float
    tolerance: Tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Two corners held against each other. ``float64`` is None where one of them was not computed in float64."""

    one: str
    other: str
    float64: Comparison | None
    float32: Comparison

    def __bool__(self) -> bool:
        return bool(self.float32) and (self.float64 is None or bool(self.float64))

    @property
    def figure(self) -> Comparison:
        """What says most: in float64, where there is that."""
        return self.float32 if self.float64 is None else self.float64

    def to_json(self) -> dict[str, Any]:
        exact = None if self.float64 is None else self.float64.to_json()
        ends = {"one": self.one, "other": self.other, "agree": bool(self)}
        return {**ends, "float64": exact, "float32": self.float32.to_json()}


def corners(natives: Sequence[Native], parities: Sequence[Parity], tolerance: Tolerance) -> list[Corner]:
    """Every model, then every export; an export is called as its model, with ``.onnx`` behind."""
    ends = {native.side.implementation.name: native for native in natives}
    models = [
        Corner(
            name=name, implementation=native.side.implementation, outputs=native.outputs, bound=native.bound,
            tolerance=tolerance,
        )
        for name, native in ends.items()
    ]  # fmt: skip
    exports = [
        Corner(
            name=f"{parity.implementation}.onnx",
            implementation=ends[parity.implementation].side.implementation,
            outputs=parity.outputs,
            bound=parity.bound,
            tolerance=ROUNDED if parity.weights.unexplained else CONSTANTS,
        )
        for parity in parities
    ]
    return models + exports


def agreements(found: Sequence[Corner]) -> tuple[Agreement, ...]:
    """Every pair of corners."""
    return tuple(agreement(one, other) for one, other in itertools.combinations(found, 2))


def agreement(one: Corner, other: Corner) -> Agreement:
    """Two corners in one form; the looser tolerance, and both bounds together."""
    first, second, _ = in_one_form(one.outputs, other.outputs, (one.implementation, other.implementation))
    tolerance = max(one.tolerance, other.tolerance, key=lambda known: (known.rtol, known.atol))
    exact = bool(first.float64) and bool(second.float64)
    return Agreement(
        one=one.name,
        other=other.name,
        float64=compare_all(first.float64, second.float64, tolerance) if exact else None,
        float32=compare_all(first.float32, second.float32, Tolerance(atol=one.bound + other.bound, rtol=0.0))
        if first.float32 and second.float32
        else incomparable("not run"),
    )
