"""Sharded safetensors, written: shards of bounded size and an index that names them, as the hub's libraries read them.

The index takes its name last and in one step, so that it always points to whole shards: the old ones until then, the
new ones from then on. A journal beside it lets an interrupted writing go on; every shard that it lists is checked by
digests before it counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xframe.checkpoints.model import Outgoing
from xframe.checkpoints.pouring import Poured, Tell, pour, silent
from xframe.checkpoints.registry import check_names, read
from xframe.checkpoints.safetensors import Safetensors
from xframe.checkpoints.staging import staged
from xframe.digests import digest
from xframe.errors import CheckpointError, UsageError

ENDING = ".safetensors"
INDEX = f"{ENDING}.index.json"
Digests = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharding:
    """How a file is cut: shards of at most ``largest`` bytes, a tensor that is larger in one of its own.

    ``resume`` goes on with an interrupted writing of the same tensors from the same ``origin``, which says in any
    words what the tensors come from.
    """

    largest: int
    origin: str
    resume: bool = False


def index_path(path: Path) -> Path:
    """Where the index of ``model.safetensors``, or of ``model.safetensors.index.json``, stands."""
    if path.name.endswith(INDEX):
        return path
    if not path.name.endswith(ENDING):
        raise UsageError(f"{path}: expected a name that ends in {ENDING}, the one format that is written in shards.")
    return path.with_name(f"{path.name}.index.json")


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

    def write(self) -> tuple[list[Poured], list[str]]:
        parts = list(_parts(self.tensors, self.sharding.largest))
        journal = _Journal.begun(self.index, self._identity(), len(parts))
        if journal.done and not self.sharding.resume:
            self._forget(journal)
        names = journal.names or self._names(len(parts))
        journal.start(names)
        found: Digests = {}
        for name, part in zip(names, parts, strict=True):
            found |= self._shard(journal, name, part)
        self._publish(journal, names, parts)
        journal.end()
        return [Poured(tensor.spec, found[tensor.spec.name]) for tensor in self.tensors], self.notes

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

    def _shard(self, journal: _Journal, name: str, part: Sequence[Outgoing]) -> Digests:
        path = self.index.with_name(name)
        if name in journal.done:
            if self._holds(path, part, journal.done[name]):
                self.tell(sum(tensor.spec.nbytes for tensor in part))
                self.notes.append(f"{name} was there already, with the right digests")
                return journal.done[name]
            self.notes.append(f"{name} was there already, but not as the journal says: written again")
        with staged(path) as stage:
            poured = pour(stage.path, Safetensors().layout(part), digests=True, tell=self.tell)
            stage.publish()
        digests = {tensor.spec.name: tensor.digest for tensor in poured}
        journal.add(name, digests)
        return digests

    def _holds(self, path: Path, part: Sequence[Outgoing], digests: Mapping[str, str]) -> bool:
        try:
            held = read(path).tensors
            specs = {name: tensor.spec for name, tensor in held.items()}
            wanted = {tensor.spec.name: tensor.spec for tensor in part}
            return specs == wanted and all(digest(held[name].array()) == digests.get(name) for name in wanted)
        except CheckpointError:
            return False

    def _publish(self, journal: _Journal, names: Sequence[str], parts: Sequence[Sequence[Outgoing]]) -> None:
        """The index takes its name; then the shards that only the old one named go."""
        old = {*_named_in(self.index), *journal.old}
        where = {tensor.spec.name: name for name, part in zip(names, parts, strict=True) for tensor in part}
        total = sum(tensor.spec.nbytes for tensor in self.tensors)
        content = {"metadata": {"total_size": total}, "weight_map": dict(sorted(where.items()))}
        with staged(self.index) as stage:
            stage.path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
            stage.publish()
        for name in old - set(names):
            self.index.with_name(name).unlink(missing_ok=True)

    def _forget(self, journal: _Journal) -> None:
        """Starts over: what an interrupted writing left, and no index names, goes."""
        for name in set(journal.done) - _named_in(self.index):
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


def _named_in(index: Path) -> set[str]:
    """The shards that an index of ours names: plain file names that start as it does, and nothing else."""
    try:
        said = json.loads(index.read_text())["weight_map"].values()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()
    stem = index.name.removesuffix(INDEX)
    return {name for name in said if isinstance(name, str) and _is_shard(name, stem)}


def _is_shard(name: str, stem: str) -> bool:
    return name.startswith(f"{stem}-") and name.endswith(ENDING) and Path(name).name == name


@dataclass(slots=True)
class _Journal:
    """What has been written so far: for every whole shard, the digests of its tensors."""

    path: Path
    identity: str
    names: list[str] = field(default_factory=list)
    done: dict[str, Digests] = field(default_factory=dict)
    old: list[str] = field(default_factory=list)  # of the set that this one replaces

    @classmethod
    def begun(cls, index: Path, identity: str, count: int) -> _Journal:
        """The journal beside ``index``: a new one, or that of an interrupted writing of the same tensors in ``count``.

        That of another writing is removed, with the shards that only it names.
        """
        path, stem = index.with_name(f".{index.name}.journal"), index.name.removesuffix(INDEX)
        said = _said(path)
        named = [*said.get("names", ()), *said.get("old", ())]
        ours = [name for name in named if _is_shard(name, stem)]
        if said.get("identity") == identity and named == ours and len(set(said["names"])) == count:
            return cls(path, identity, said["names"], said["done"], said["old"])
        kept = _named_in(index)
        for name in set(ours) - kept:
            index.with_name(name).unlink(missing_ok=True)
        return cls(path, identity, old=sorted(kept))

    def start(self, names: list[str]) -> None:
        self.names = names
        self._save()

    def add(self, name: str, digests: Digests) -> None:
        self.done[name] = digests
        self._save()

    def end(self) -> None:
        self.path.unlink(missing_ok=True)

    def _save(self) -> None:
        content = {"identity": self.identity, "names": self.names, "done": self.done, "old": self.old}
        with staged(self.path) as stage:
            stage.path.write_text(json.dumps(content))
            stage.publish()


def _said(path: Path) -> dict[str, Any]:
    """A journal's content, or nothing where there is none that we could have written."""
    try:
        match json.loads(path.read_text()):
            case {"identity": str(), "names": [*names], "done": dict(done), "old": [*old]} as said:
                words = all(isinstance(name, str) for name in (*names, *old))
                if words and set(done) <= set(names) and all(isinstance(found, dict) for found in done.values()):
                    return dict(said)
    except (OSError, ValueError):
        pass
    return {}
