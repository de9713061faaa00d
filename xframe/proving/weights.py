"""Where a source's weights come from and how a target's file is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from xframe import checkpoints
from xframe.checkpoints.model import Checkpoint, StoredTensor
from xframe.errors import ModelError
from xframe.files import reader
from xframe.mapping import Entry
from xframe.planning import PortPlan, computed, outgoing
from xframe.proving.probe import random_weights
from xframe.proving.sides import Side
from xframe.digests import digest
from xframe.tensors import STORAGE, Array, Extent, TensorSpec
from xframe.workers import Pool


def through_model(parsed: Checkpoint, side: Side) -> Checkpoint:
    """The same weights under state-dict names: a Keras model loads the file, found sound before, and is read back."""
    side.load_file(parsed.path).result()
    placed, specs = side.state(), side.specs
    extents = {name: (specs[name], extent) for name, extent in placed().items()}
    _expect_from(parsed, {name: extent.map() for name, (_, extent) in extents.items()})
    return replace(parsed, tensors=_stored(extents))


def _expect_from(parsed: Checkpoint, loaded: Mapping[str, Array]) -> None:
    """Every loaded tensor must be, bit for bit, one of the file's own; none may serve twice."""
    held = Counter(digest(tensor.array()) for tensor in parsed.tensors.values())
    for name, array in loaded.items():
        found = digest(array)
        if not held[found]:
            raise ModelError(
                f"{parsed.path} was loaded, but the model holds values at '{name}' that are not in it. Its loading "
                f"skips or changes them; look at the layer's load_own_variables."
            )
        held[found] -= 1


def at_random(side: Side, seed: int, pool: Pool) -> Checkpoint:
    """Random weights for every tensor of the built source."""
    specs = side.specs
    drawn = random_weights(side.table, side.implementation.name, specs, seed)
    extents = {name: (specs[name], Extent.from_message(place)) for name, place in pool.put("random", drawn)}
    return Checkpoint(path=Path(f"random weights, seed {seed}"), format="random", tensors=_stored(extents))


def _stored(extents: dict[str, tuple[TensorSpec, Extent]]) -> dict[str, StoredTensor]:
    return {name: StoredTensor(spec=spec, extent=extent) for name, (spec, extent) in extents.items()}


def left_out(side: Side, checkpoint: Checkpoint) -> dict[str, Array]:
    """What the built source has and its file need not: counters that carry no weight, at their fill."""
    here = side.implementation.name
    entries: dict[str, Entry] = {entry.names[here].name: entry for entry in side.table.entries if here in entry.names}
    absent = [spec for spec in side.specs.values() if spec.name not in checkpoint.tensors and spec.name in entries]
    fills = ((spec, entries[spec.name].fill) for spec in absent)
    return {
        spec.name: np.full(spec.shape, fill.value).astype(STORAGE[spec.dtype])
        for spec, fill in fills
        if fill is not None
    }


def write_target(plan: PortPlan, checkpoint: Checkpoint, path: Path, side: Side | None, pool: Pool | None) -> None:
    """Write the planned tensors into ``path`` in the format of its extension.

    ``side`` and ``pool`` serve Keras's own formats: a model of the target is set and saves itself.
    """
    values = reader(checkpoint)
    if side is None or pool is None:
        checkpoints.encode(path, checkpoints.format_of(path), list(outgoing(plan, values)))
        return
    arrays = ((step.target.name, computed(step, values), step.target.dtype) for step in plan.steps)
    side.load(pool.put("writer", arrays)).result()
    side.save_file(path)
