"""Sharded safetensors, written: shards of bounded size and an index that names them, as the hub's libraries read them.

The index takes its name last and in one step, so that it always points to whole shards: the old ones until then, the
new ones from then on. A journal beside it lets an interrupted writing go on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xframe.checkpoints.journal import ENDING, INDEX, Digests, Journal, Ledger, Shard, Uncounted, named_in
from xframe.checkpoints.model import Outgoing
from xframe.checkpoints.pouring import Poured, Tell, pour, silent
from xframe.checkpoints.registry import check_names, read
from xframe.checkpoints.safetensors import Safetensors
from xframe.checkpoints.staging import staged
from xframe.digests import digest
from xframe.errors import CheckpointError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharding:
    """How a file is cut: shards of at most ``largest`` bytes, a tensor that is larger in one of its own.

    ``resume`` goes on with an interrupted writing of the same tensors from the same ``origin``, which says in any
    words what the tensors come from. ``ledger`` counts what passes; of a shard that is there already, what passed when
    it was written.
    """

    largest: int
    origin: str
    resume: bool = False
    ledger: Ledger = field(default_factory=Uncounted)


def index_path(path: Path) -> Path:
    """Where the index of ``model.safetensors``, or of ``model.safetensors.index.json``, stands."""
    if path.name.endswith(INDEX):
        return path
    if not path.name.endswith(ENDING):
        raise UsageError(f"{path}: expected a name that ends in {ENDING}, the one format that is written in shards.")
    return path.with_name(f"{path.name}.index.json")


def replaced_by(index: Path) -> list[Path]:
    """What a new set takes the place of: its index, and the shards that the older one names."""
    return [index, *(index.with_name(name) for name in sorted(named_in(index)))]


def write_shards(
    path: Path, tensors: Sequence[Outgoing], sharding: Sharding, *, tell: Tell = silent
) -> tuple[list[Poured], list[str]]:
    """Writes shards beside ``path`` and their index; returns every tensor's digest, and notes.

    Raises UsageError where ``resume`` meets the leavings of another writing.
    """
    check_names(tensors)
    Safetensors().check(tensors)
    return _Set(index_path(path), tensors, sharding, tell).write()


@dataclass(slots=True)
class _Set:
    """One sharded file under way."""

    index: Path
    tensors: Sequence[Outgoing]
    sharding: Sharding
    tell: Tell
    notes: list[str] = field(default_factory=list)
    kept: int = 0

    def write(self) -> tuple[list[Poured], list[str]]:
        parts = list(_parts(self.tensors, self.sharding.largest))
        journal = Journal.begun(self.index, self._identity(), len(parts))
        if journal.done and not self.sharding.resume:
            self._forget(journal)
        names = journal.names or self._names(len(parts))
        journal.start(names)
        found: Digests = {}
        for name, part in zip(names, parts, strict=True):
            found |= self._shard(journal, name, part)
        if self.sharding.resume:
            self.notes.append(self._gone_on_with(len(parts)))
        self._publish(journal, names, parts)
        journal.end()
        return [Poured(tensor.spec, found[tensor.spec.name]) for tensor in self.tensors], self.notes

    def _gone_on_with(self, count: int) -> str:
        if not self.kept:
            return "--resume found no whole shard of an interrupted writing like this one: all were written"
        return f"{self.kept} of {count} shards had been written before, and have the right digests"

    def _identity(self) -> str:
        """What must be the same to go on: the tensors, where they come from, how they are cut."""
        specs = [[tensor.spec.name, tensor.spec.shape, tensor.spec.dtype] for tensor in self.tensors]
        said = json.dumps([self.sharding.origin, self.sharding.largest, specs])
        return hashlib.sha256(said.encode()).hexdigest()

    def _names(self, count: int) -> list[str]:
        """``model-00001-of-00003.safetensors`` …; with a mark where those names are taken by an older set."""
        stem = self.index.name.removesuffix(INDEX)
        for mark in ("", *(f"-{mark}" for mark in range(1, 10_000))):
            names = [f"{stem}{mark}-{index:05d}-of-{count:05d}{ENDING}" for index in range(1, count + 1)]
            taken = [name for name in names if self.index.with_name(name).exists()]
            if not taken:
                return names
        raise UsageError(f"{self.index}: expected free names for its shards; found all of them taken.")

    def _shard(self, journal: Journal, name: str, part: Sequence[Outgoing]) -> Digests:
        path, ledger = self.index.with_name(name), self.sharding.ledger
        if name in journal.done:
            if shard := self._held(path, part, Shard.of(journal.done[name])):
                self.tell(sum(tensor.spec.nbytes for tensor in part))
                self.kept += 1
                return shard.digests
            self.notes.append(f"{name} was there already, but not as the journal says: written again")
        with staged(path) as stage:
            poured = pour(stage.path, Safetensors().layout(part), digests=True, tell=self.tell)
            stage.publish()
        shard = Shard({tensor.spec.name: tensor.digest for tensor in poured}, ledger.page())
        journal.add(name, shard)
        return shard.digests

    def _held(self, path: Path, part: Sequence[Outgoing], said: Shard | None) -> Shard | None:
        """What a journal says of a shard, if that is what there is. It is entered in the ledger then."""
        if said is None:
            return None
        try:
            held = read(path).tensors
            specs = {name: tensor.spec for name, tensor in held.items()}
            wanted = {tensor.spec.name: tensor.spec for tensor in part}
            if specs != wanted or any(digest(held[name].array()) != said.digests.get(name) for name in wanted):
                return None
            self.sharding.ledger.enter(said.page)
        except (CheckpointError, ValueError):
            return None
        return said

    def _publish(self, journal: Journal, names: Sequence[str], parts: Sequence[Sequence[Outgoing]]) -> None:
        """The index takes its name; then the shards that only the old one named go."""
        old = {*named_in(self.index), *journal.old}
        where = {tensor.spec.name: name for name, part in zip(names, parts, strict=True) for tensor in part}
        total = sum(tensor.spec.nbytes for tensor in self.tensors)
        content = {"metadata": {"total_size": total}, "weight_map": dict(sorted(where.items()))}
        with staged(self.index) as stage:
            stage.path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
            stage.publish()
        for name in old - set(names):
            self.index.with_name(name).unlink(missing_ok=True)

    def _forget(self, journal: Journal) -> None:
        """Starts over: what an interrupted writing left, and no index names, goes."""
        for name in set(journal.done) - named_in(self.index):
            self.index.with_name(name).unlink(missing_ok=True)
        journal.done.clear()
        journal.names.clear()
        self.notes.append(
            "an interrupted writing of the same tensors was there; started over (--resume goes on with it)"
        )


def _parts(tensors: Sequence[Outgoing], largest: int) -> Iterator[list[Outgoing]]:
    """Tensors in their order, cut wherever the next one would make a shard too large."""
    part: list[Outgoing] = []
    size = 0
    for tensor in tensors:
        if part and size + tensor.spec.nbytes > largest:
            yield part
            part, size = [], 0
        part.append(tensor)
        size += tensor.spec.nbytes
    yield part
