"""Where two runs first part, and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from xframe.comparison import Comparison, Tolerance, finite_or_none, incomparable
from xframe.proving.causes import Cause, diagnose, diagnose_calls, first_uneven
from xframe.proving.layer_diff import LayerDiff, LayerDiffs, diff_layers
from xframe.proving.sides import Side
from xframe.tensors import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """The first layer whose outputs differ, while every mapped layer before it agrees; "output" behind the last one."""

    layer: str
    source_name: str
    target_name: str
    comparison: Comparison
    causes: tuple[Cause, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.layer} ({self.source_name} / {self.target_name}): {self.comparison}"]
        return "\n".join([*lines, *(f"  {cause}" for cause in self.causes)])

    def to_json(self) -> dict[str, Any]:
        """``first_divergence`` in ``--json``."""
        return {
            "layer": self.layer,
            "source_name": self.source_name,
            "target_name": self.target_name,
            "max_rel": finite_or_none(self.comparison.max_rel),
            "reason": self.comparison.reason,
            "causes": [cause.to_json() for cause in self.causes],
        }


def first_divergence(
    source: Side, target: Side, probe: Array, tolerance: Tolerance, *, skip: Collection[str] = ()
) -> Divergence | None:
    """Run both sides in float64 with every mapped layer watched. None where all layers agree.

    A layer that runs several times is compared run by run. ``skip`` names source layers that rightly differ.
    """
    diffs = diff_layers(source, target, probe, tolerance, skip=skip, refed=False)
    uneven = uneven_calls(source, target, probe, diffs, tolerance)
    if uneven is not None:
        return uneven
    diff = diffs.first
    if diff is None:
        return None
    return diverging(diff, diagnose(source, target, probe, diff, tolerance, skip=skip))


def uneven_calls(
    source: Side, target: Side, probe: Array, diffs: LayerDiffs, tolerance: Tolerance
) -> Divergence | None:
    """Where one side calls a layer more often before anything else differs; None where neither does."""
    found = first_uneven(diffs)
    if found is None:
        return None
    return Divergence(
        layer=found.name,
        source_name=found.source_name,
        target_name=found.target_name,
        comparison=incomparable(str(found)),
        causes=(diagnose_calls(source, target, probe, found, tolerance),),
    )


def diverging(diff: LayerDiff, causes: tuple[Cause, ...]) -> Divergence:
    """A layer's difference with its causes; its figure is of both sides running freely, where that shows it."""
    return Divergence(
        layer=diff.name,
        source_name=diff.source_name,
        target_name=diff.target_name,
        comparison=diff.free if diff.own is None or not diff.free else diff.own,
        causes=causes,
    )
