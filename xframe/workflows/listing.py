"""``list``, ``show`` and ``inspect``: what tables and files say, as data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from xframe.checkpoints.model import Checkpoint
from xframe.layouts import Rearrangement
from xframe.mapping import Entry, Table, load_table, table_names
from xframe.planning import identify, spoken
from xframe.tensors import digest


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
        if source in entry.names or target in entry.names:
            yield TensorRow(
                source=entry.names[source].name if source in entry.names else "",
                source_shape=entry.shape(source) if source in entry.names else None,
                target=entry.names[target].name if target in entry.names else "",
                target_shape=entry.shape(target) if target in entry.names else None,
                note=_note(entry, source, target),
            )


def _note(entry: Entry, source: str, target: str) -> str:
    if source in entry.names and target in entry.names:
        return Rearrangement(entry.names[source].pattern, entry.names[target].pattern).text
    assert entry.fill is not None
    if target in entry.names:
        return f"filled with {entry.fill.value:g}: {entry.fill.because}"
    if entry.fill.discard:
        return f"dropped: {entry.fill.because}"
    otherwise = f"else folded into {entry.fill.fold_into}" if entry.fill.fold_into else "else refused"
    return f"dropped where it holds {entry.fill.value:g}, {otherwise}: {entry.fill.because}"


def owner(checkpoint: Checkpoint) -> str:
    """Whose names a file's tensors have: ``resnet18 (paddle)``; empty where no table knows them."""
    return spoken(identify(checkpoint.tensors))


def digests(checkpoint: Checkpoint) -> dict[str, str]:
    """The digest of every tensor of a file."""
    return {name: digest(tensor.array()) for name, tensor in checkpoint.tensors.items()}


def checkpoint_json(checkpoint: Checkpoint, found: dict[str, str]) -> dict[str, Any]:
    """The object that ``xframe inspect --json`` prints."""
    tensors = [
        {
            "name": spec.name,
            "dtype": spec.dtype,
            "shape": list(spec.shape),
            "bytes": spec.nbytes,
            "digest": found.get(spec.name),
        }
        for spec in checkpoint.specs
    ]
    return {
        "command": "inspect",
        "file": str(checkpoint.path),
        "format": checkpoint.format,
        "model": [{"model": model, "implementation": name} for model, name in identify(checkpoint.tensors)],
        "tensors": tensors,
        "notes": list(checkpoint.notes),
    }
