"""Where two runs first part: outputs of every mapped layer on both sides, in the source's order of execution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from xframe.proving.comparison import Comparison, Tolerance, compare
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
    here, there = source.implementation.name, target.implementation.name
    pairs = {
        name: layer
        for layer in source.table.layers
        if (name := layer.layer_name(here)) and layer.layer_name(there) and name not in skip
    }
    runs = (
        source.run(probe, "float64", list(pairs)),
        target.run(probe, "float64", [layer.names[there] for layer in pairs.values()]),
    )
    outputs, others = runs[0](), dict(_numbered(runs[1]().taps))
    for (name, turn), array in _numbered(outputs.taps):
        layer = pairs[name]
        other = others.get((layer.names[there], turn))
        comparison = compare(*_alike(array, other), tolerance) if other is not None else None
        if comparison is not None and not comparison:
            return Divergence(
                layer=f"{layer.kind.name} {layer.names[here]}",
                source_name=layer.names[here],
                target_name=layer.names[there],
                comparison=comparison,
            )
    return None


def _alike(one: Array, other: Array) -> tuple[Array, Array]:
    """A map of one pixel is a vector: a convolution as large as its input gives N×C×1×1, a dense layer N×C."""
    if one.shape[2:] == (1, 1) and other.ndim == 2:
        return one[:, :, 0, 0], other
    if other.shape[2:] == (1, 1) and one.ndim == 2:
        return one, other[:, :, 0, 0]
    return one, other


def _numbered(taps: Iterable[tuple[str, Array]]) -> Iterator[tuple[tuple[str, int], Array]]:
    """Each tap with how often its layer ran before."""
    turns: Counter[str] = Counter()
    for name, array in taps:
        yield (name, turns[name]), array
        turns[name] += 1
