"""Where a source's weights come from and how a target's file is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from xframe import exchange
from xframe.checkpoints.model import Checkpoint, Outgoing, StoredTensor
from xframe.digests import digest
from xframe.dtypes import convert
from xframe.errors import ModelError
from xframe.files import reader
from xframe.mapping import Entry, Table
from xframe.planning import PortPlan, computed
from xframe.proving.probe import random_weights
from xframe.proving.sides import Side
from xframe.tensors import FLOATS, STORAGE, Array, Extent, TensorSpec
from xframe.workers import Pool


def through_model(parsed: Checkpoint, side: Side) -> Checkpoint:
    """The same weights under state-dict names: a Keras model loads the file, found sound before, and is read back.

    Keras converts what it loads, so a file of another dtype than the side's is loaded into a model of its own.
    """
    held = {spec.dtype for spec in parsed.specs if spec.dtype in FLOATS}
    own = side if len(held) != 1 or held == {side.dtype} else side.again("reader", held.pop())
    own.load_file(parsed.path).result()
    placed, specs = own.state(), own.specs
    extents = {name: (specs[name], extent) for name, extent in placed().items()}
    if own is not side:
        own.release()
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


def at_hand(side: Side, seed: int, pool: Pool) -> Checkpoint:
    """Where no file is given: what a saved model holds itself, random weights for a model of code."""
    build = side.implementation.build
    if not build.is_saved:
        return at_random(side, seed, pool)
    specs, placed = side.specs, side.state()
    extents = {name: (specs[name], extent) for name, extent in placed().items()}
    return Checkpoint(path=Path(build.said), format="saved model", tensors=_stored(extents))


def at_random(side: Side, seed: int, pool: Pool) -> Checkpoint:
    """Random weights for every tensor of the built source."""
    return drawn(side.table, side.implementation.name, side.specs, seed, pool)


def drawn(table: Table, implementation: str, specs: Mapping[str, TensorSpec], seed: int, pool: Pool) -> Checkpoint:
    """Random weights for tensors of these specs, as ``implementation`` has them; it need not be installed."""
    arrays = random_weights(table, implementation, specs, seed)
    extents = {name: (specs[name], Extent.from_message(place)) for name, place in pool.put("random", arrays)}
    return Checkpoint(path=Path(f"random weights, seed {seed}"), format="random", tensors=_stored(extents))


def place_checkpoint(
    pool: Pool, checkpoint: Checkpoint, dtype: str | None, extra: Mapping[str, Array]
) -> list[tuple[str, exchange.Message]]:
    """A checkpoint's tensors where a worker can map them: in the file itself, or copied where they must be converted.

    ``dtype`` converts floating-point tensors; ``extra`` adds tensors that the file leaves out.
    """
    placed, copied = [], []
    for name, tensor in checkpoint.tensors.items():
        own = tensor.spec.dtype
        wanted = dtype if dtype is not None and own in FLOATS else own
        if tensor.extent is not None and wanted == own:
            placed.append((name, tensor.extent.to_message()))
        else:
            copied.append((name, convert(tensor.array(), own, wanted)[0], wanted))
    copied.extend((name, array, array.dtype.name) for name, array in extra.items())
    return placed + pool.put("checkpoint", copied)


def held_in(pool: Pool, plan: PortPlan, checkpoint: Checkpoint) -> Checkpoint:
    """What a plan makes of a checkpoint, as a checkpoint of the plan's target: nothing is written but the exchange."""
    values = reader(checkpoint)
    arrays = ((step.target.name, computed(step, values), step.target.dtype) for step in plan.steps)
    specs = {step.target.name: step.target for step in plan.steps}
    extents = {name: (specs[name], Extent.from_message(place)) for name, place in pool.put("carried", arrays)}
    return replace(checkpoint, tensors=_stored(extents))


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


def save_through(side: Side, pool: Pool, path: Path, tensors: Sequence[Outgoing]) -> dict[str, str]:
    """Have a model of the target set to ``tensors`` and save itself, for formats that Keras alone can write.

    Returns the digest of every tensor, by its name in the target.
    """
    found: dict[str, str] = {}

    def arrays() -> Iterator[tuple[str, Array, str]]:
        for tensor in tensors:
            values = tensor.values()
            found[tensor.spec.name] = digest(values)
            yield tensor.spec.name, values, tensor.spec.dtype

    side.load(pool.put("writer", arrays())).result()
    side.save_file(path)
    return found
