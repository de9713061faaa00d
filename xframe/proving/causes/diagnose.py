"""From a layer that differs to its causes: each is tried out, the confirmed ones come first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

import numpy as np

from xframe.comparison import Tolerance
from xframe.proving.causes.attributes import attribute_causes, batch_statistics, differing
from xframe.proving.causes.between import between_causes, fed_alike
from xframe.proving.causes.cause import Cause, in_order
from xframe.proving.causes.evidence import Evidence, gather
from xframe.proving.causes.nonfinite import nonfinite_causes
from xframe.proving.causes.outputs import of_outputs
from xframe.proving.causes.tensors import exchanged_layers, tensor_causes
from xframe.proving.layer_diff import LayerDiff
from xframe.proving.sides import Side
from xframe.tensors import Array


def diagnose(
    source: Side,
    target: Side,
    probe: Array,
    diff: LayerDiff,
    tolerance: Tolerance,
    *,
    skip: Collection[str] = (),
    planned: Callable[[str], Array] | None = None,
) -> tuple[Cause, ...]:
    """The causes of one layer's difference. Both sides run once more; the layer alone runs for every trial.

    ``planned`` gives, by name, what a tensor of the target should hold, where its file may hold something else.
    """
    with source.scratch():
        evidence = gather(source, target, probe, diff, tolerance, skip=skip, planned=planned)
        return in_order(_causes(evidence))


def _causes(evidence: Evidence) -> Iterator[Cause]:
    """What lies before the layer where the two read different things, else the layer itself."""
    if all(not np.isfinite(gave).all() for gave in evidence.gave):
        yield from nonfinite_causes(evidence)
    elif evidence.alignment is not None:
        found = [*_of_layer(evidence)]
        yield from found or nonfinite_causes(evidence)
    else:
        yield from [*exchanged_layers(evidence)] or _before(evidence)


def _before(evidence: Evidence) -> Iterator[Cause]:
    """What lies before the layer. Confirmed only where the layer agrees without it, or without its own fault too."""
    found = [*between_causes(evidence)]
    agrees, fed = fed_alike(evidence)
    if agrees:
        yield from found
        return
    own = [cause for cause in _of_layer(fed) if cause.confirmed]
    yield from found if own else (replace(cause, confirmed=False) for cause in found)
    yield from own


def _of_layer(evidence: Evidence) -> Iterator[Cause]:
    """Attributes, then tensors, then both at once, then something behind the layer."""
    found = [*batch_statistics(evidence), *attribute_causes(evidence)]
    if _none_confirmed(found):
        found += tensor_causes(evidence)
    if _none_confirmed(found) and (apart := dict(differing(evidence))):
        together = [*tensor_causes(evidence, {name: one for name, (one, _) in apart.items() if name != "padding"})]
        found = [replace(cause, confirmed=bool(together)) for cause in found] + together
    if _none_confirmed(found):
        where = f"behind {evidence.names[0]}"
        found += of_outputs(evidence.gave, evidence.ends, evidence.tolerance, where)
    yield from found


def _none_confirmed(causes: list[Cause]) -> bool:
    return not any(cause.confirmed for cause in causes)
