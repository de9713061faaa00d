"""``list``, ``show`` and ``inspect``: what tables and files say, as data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from xframe.checkpoints.branches import told_branches
from xframe.checkpoints.model import Checkpoint
from xframe.digests import Digest
from xframe.dtypes import is_finite
from xframe.mapping import Entry, Fill, Table, load_table, table_names
from xframe.planning import Owner, owners
from xframe.strips import strips
from xframe.tensors import TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One architecture. ``parameters`` counts what the first implementation trains."""

    name: str
    summary: str
    input: tuple[int, ...]
    parameters: int
    implementations: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def models() -> list[Listed]:
    """Every architecture that comes with xframe."""
    return [_listed(load_table(name)) for name in table_names()]


def _listed(table: Table) -> Listed:
    first = next(iter(table.implementations))
    trained = [
        entry
        for entry in table.entries
        if first in entry.names and entry.tensor.role not in ("mean", "variance", "steps")
    ]
    return Listed(
        name=table.name,
        summary=table.summary,
        input=table.input,
        parameters=sum(math.prod(entry.shape(first) or ()) for entry in trained),
        implementations=tuple(table.implementations),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRow:
    """One tensor of a port, as the table has it; an empty name where a side has no such tensor."""

    source: str
    source_shape: tuple[int, ...] | None
    target: str
    target_shape: tuple[int, ...] | None
    note: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def tensor_rows(table: Table, source: str, target: str) -> Iterator[TensorRow]:
    """Every tensor that a port from ``source`` to ``target`` moves, fills or drops, in the table's order."""
    table.implementation(source), table.implementation(target)
    for entry in table.entries:
        if entry.between(source, target):
            yield TensorRow(
                source=entry.names[source].name if source in entry.names else "",
                source_shape=entry.shape(source) if source in entry.names else None,
                target=entry.names[target].name if target in entry.names else "",
                target_shape=entry.shape(target) if target in entry.names else None,
                note=_note(entry, source, target),
            )


def _note(entry: Entry, source: str, target: str) -> str:
    if first := entry.repeats(source, target):
        return f"another name of {first}"
    if source in entry.names and target in entry.names:
        return entry.rearrangement(source, target).text
    assert entry.fill is not None
    if target in entry.names:
        return f"filled with {entry.fill.value:g}: {entry.fill.because}"
    if entry.fill.discard:
        return f"dropped: {entry.fill.because}"
    return f"dropped where it holds {entry.fill.value:g}, {_otherwise(entry.fill)}: {entry.fill.because}"


def _otherwise(fill: Fill) -> str:
    if fill.add_to is not None:
        return f"else added to {fill.add_to}"
    return "else refused" if fill.fold_into is None else f"else folded into {fill.fold_into}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A weight file, looked at. ``dtypes``: by dtype, how many tensors and bytes. ``branches`` are in words.

    ``digests`` by tensor, and which tensors hold NaN or Inf, take a look at every byte: without one they are None.
    """

    checkpoint: Checkpoint
    owners: tuple[Owner, ...]
    dtypes: Mapping[str, tuple[int, int]]
    branches: Sequence[str] = ()
    digests: Mapping[str, str] | None = None
    nonfinite: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """The object that ``xframe inspect --json`` prints."""
        found, digests = self.checkpoint, self.digests or {}
        return {
            "command": "inspect",
            "file": str(found.path),
            "format": found.format,
            "model": [
                {"model": model, "implementation": name}
                for owner in self.owners
                if owner.as_it_is
                for model, name in owner.columns
            ],
            "bytes": found.nbytes,
            "dtypes": {dtype: {"tensors": count, "bytes": nbytes} for dtype, (count, nbytes) in self.dtypes.items()},
            "branches": dict(found.branches),
            "metadata": dict(found.metadata),
            "nonfinite": None if self.nonfinite is None else list(self.nonfinite),
            "tensors": [_tensor_json(spec, digests.get(spec.name)) for spec in found.specs],
            "notes": list(found.notes),
        }


def inspection(checkpoint: Checkpoint, *, digests: bool) -> Inspection:
    """What there is to say of ``checkpoint``. With ``digests`` every byte is read, a few megabytes at a time.

    Raises CheckpointError where the bytes turn out not to be what the file says of them.
    """
    found = Inspection(
        checkpoint=checkpoint,
        owners=tuple(owners(checkpoint)),
        dtypes=_per_dtype(checkpoint),
        branches=told_branches(checkpoint),
    )
    return _looked_through(found) if digests else found


def _looked_through(found: Inspection) -> Inspection:
    digests, nonfinite = {}, []
    for name, tensor in found.checkpoint.tensors.items():
        digest, finite = Digest(), True
        for strip in strips(tensor.array()):
            digest.update(strip)
            finite = finite and is_finite(strip, tensor.spec.dtype)
        digests[name] = str(digest)
        if not finite:
            nonfinite.append(name)
    return replace(found, digests=digests, nonfinite=tuple(nonfinite))


def _per_dtype(checkpoint: Checkpoint) -> dict[str, tuple[int, int]]:
    sums: dict[str, tuple[int, int]] = {}
    for spec in checkpoint.specs:
        count, nbytes = sums.get(spec.dtype, (0, 0))
        sums[spec.dtype] = count + 1, nbytes + spec.nbytes
    return sums


def _tensor_json(spec: TensorSpec, digest: str | None) -> dict[str, Any]:
    shape = list(spec.shape)
    return {"name": spec.name, "dtype": spec.dtype, "shape": shape, "bytes": spec.nbytes, "digest": digest}
