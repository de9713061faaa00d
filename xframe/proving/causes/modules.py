"""Layers without a row in the table that run between two that have one: activations and pools that are modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xframe.proving.causes.evidence import Evidence
from xframe.proving.sides import Side

_SILENT = {"dropout", "channel_dropout", "identity", "flatten"}  # change no value in evaluation mode


def modules(evidence: Evidence, name: str) -> tuple[str, str]:
    """For each side, in brackets, the layers between ``name`` (the source's) and the layer; '' where there are none."""
    ends = (
        (evidence.source, name, evidence.names[0]),
        (evidence.target, evidence.theirs.get(name, ""), evidence.names[1]),
    )
    one, other = (_spoken(_between(side, evidence, before, behind)) for side, before, behind in ends)
    return one, other


def _spoken(found: Sequence[str]) -> str:
    return f" ({', '.join(found)})" if found else ""


def _between(side: Side, evidence: Evidence, before: str, behind: str) -> list[str]:
    known = {name: held for name, held in side.attributes().items() if held["kind"] not in _SILENT}
    mapped = {layer.layer_name(side.implementation.name) for layer in side.table.layers}
    free = [name for name in known if name not in mapped]
    if not free or not before:
        return []
    calls = side.order(evidence.probe, [before, behind, *free])
    ended = [index for index, name in enumerate(calls) if name == behind]
    if evidence.turn >= len(ended):
        return []
    until = ended[evidence.turn]
    since = max((index for index, name in enumerate(calls[:until]) if name == before), default=-1)
    classes = side.layers()
    run = dict.fromkeys(name for name in calls[since + 1 : until] if name in free)
    return [f"in {name}, {_class(classes[name], known[name])}" for name in run]


def _class(name: str, held: Mapping[str, Any]) -> str:
    """``a LeakyReLU of slope 0.3``."""
    slope = held.get("slope")
    return f"a {name} of slope {slope:g}" if slope else f"a {name}"
