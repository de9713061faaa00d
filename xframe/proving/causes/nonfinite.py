"""Where NaN and Inf come from: what the layer reads, its tensors, or the layer itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xframe.proving.causes.cause import Cause
from xframe.proving.causes.evidence import Evidence
from xframe.proving.sides import Side
from xframe.tensors import Array

WORD = "NaN or Inf"


def nonfinite_causes(evidence: Evidence) -> Iterator[Cause]:
    """One for both sides where they say the same. Confirmed where the layer gives numbers without what brought them."""
    sides = (evidence.source, evidence.target), evidence.names, evidence.read, evidence.gave
    found = [
        (side, name, *_origin(evidence, side, name, read))
        for side, name, read, gave in zip(*sides, strict=True)
        if not np.isfinite(gave).all()
    ]
    for side, name, origin, confirmed, change in found[:1]:
        where = f"{side.implementation.name}'s {name}"
        also = "; the other side's likewise" if len(found) == len(sides[0]) else "; the other side's does not"
        yield Cause(
            cause=WORD,
            detail=f"{where} is the first layer to give {WORD}{also}. {origin}",
            confirmed=confirmed and all(sure for *_, sure, _ in found),
            change=change,
        )


def _origin(evidence: Evidence, side: Side, name: str, read: Array) -> tuple[str, bool, str]:
    """A sentence, whether that was confirmed, and what to change."""
    if not np.isfinite(read).all():
        last = evidence.between(evidence.before[0][0]) if evidence.before else "in the input"
        said = f"What it reads is not finite already: that arises {last}."
        return said, _gives_numbers(evidence, side, _zeroed(read), {}), f"look at what is computed {last}"
    held = _held(evidence, side)
    if held:
        said = f"What it reads is finite; its {', '.join(held)} is not."
        zeroed = {tensor: _zeroed(values) for tensor, values in held.items()}
        change = f"look at {', '.join(held)} of {name} in the file of weights"
        return said, _gives_numbers(evidence, side, read, zeroed), change
    said = "What it reads is finite, and so are its tensors: it arises in the layer."
    return said, False, f"look at the ranges of the tensors of {name}, such as a variance below zero"


def _zeroed(values: Array) -> Array:
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def _held(evidence: Evidence, side: Side) -> dict[str, Array]:
    """The layer's tensors that hold NaN or Inf, under its own names for them."""
    here, state = side.implementation.name, side.state()()
    prefix = f"{evidence.layer.layer_name(here)}{side.implementation.framework.separator}"
    names = [
        entry.names[here].name for entry in side.table.entries if entry.layer is evidence.layer and here in entry.names
    ]
    values = {name.removeprefix(prefix): np.array(state[name].map()) for name in names}
    return {name: array for name, array in values.items() if not np.isfinite(array).all()}


def _gives_numbers(evidence: Evidence, side: Side, read: Array, tensors: dict[str, Array]) -> bool:
    gave = evidence.replayed(side, evidence.names[side is evidence.target], read, tensors=tensors)
    return gave is not None and bool(np.isfinite(gave).all())
