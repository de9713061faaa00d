"""Where two runs first part."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from xframe.comparison import Comparison, Tolerance
from xframe.proving.layer_diff import diff_layers
from xframe.proving.sides import Side
from xframe.tensors import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """The first layer whose outputs differ; its inputs still agreed."""

    layer: str
    source_name: str
    target_name: str
    comparison: Comparison


def first_divergence(
    source: Side, target: Side, probe: Array, tolerance: Tolerance, *, skip: Collection[str] = ()
) -> Divergence | None:
    """Run both sides in float64 with every mapped layer tapped. None where all layers agree.

    A layer that runs several times is compared run by run. ``skip`` names source layers that rightly differ.
    """
    for diff in diff_layers(source, target, probe, tolerance, skip=skip, refed=False):
        if not diff.free:
            return Divergence(
                layer=diff.name, source_name=diff.source_name, target_name=diff.target_name, comparison=diff.free
            )
    return None
