"""What a sharded writing has done so far, in a hidden file beside its index: who goes on later starts from there.

A journal is a file that anyone may have written. It names nothing but shards of its own index, and a shard that it
lists counts only if the digests of its tensors are right.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from xframe.checkpoints.staging import staged

ENDING = ".safetensors"
INDEX = f"{ENDING}.index.json"
Entry = Mapping[str, Any]
Digests = dict[str, str]


class Ledger(Protocol):
    """What is counted while tensors pass, page by page: one for every shard, kept with it in the journal."""

    def page(self) -> Entry:
        """What was counted since the page before, as JSON."""
        ...

    def enter(self, page: Entry) -> None:
        """Counts what an earlier run counted. Raises ValueError for a page that none can have written."""
        ...


class Uncounted:
    """A ledger of nothing."""

    def page(self) -> Entry:
        return {}

    def enter(self, page: Entry) -> None:
        """Nothing is counted."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard that was written: the digests of its tensors, and what was counted while they passed."""

    digests: Digests
    page: Entry

    @classmethod
    def of(cls, entry: Entry) -> Shard | None:
        """From a journal's entry; None for one that we could not have written."""
        match entry:
            case {"digests": dict(digests), "page": dict(page)}:
                return cls(digests, page)
        return None

    def to_json(self) -> Entry:
        return {"digests": self.digests, "page": self.page}


@dataclass(slots=True)
class Journal:
    """What has been written so far: an entry for every whole shard."""

    path: Path
    identity: str
    names: list[str] = field(default_factory=list)
    done: dict[str, Entry] = field(default_factory=dict)
    old: list[str] = field(default_factory=list)  # of the set that this one replaces

    @classmethod
    def begun(cls, index: Path, identity: str, count: int) -> Journal:
        """The journal beside ``index``: a new one, or that of an interrupted writing of the same tensors in ``count``.

        That of another writing is removed, with the shards that only it names.
        """
        path, stem = index.with_name(f".{index.name}.journal"), index.name.removesuffix(INDEX)
        said = _said(path)
        named = [*said.get("names", ()), *said.get("old", ())]
        ours = [name for name in named if is_shard(name, stem)]
        if said.get("identity") == identity and named == ours and len(set(said["names"])) == count:
            return cls(path, identity, said["names"], said["done"], said["old"])
        kept = named_in(index)
        for name in set(ours) - kept:
            index.with_name(name).unlink(missing_ok=True)
        return cls(path, identity, old=sorted(kept))

    def start(self, names: list[str]) -> None:
        self.names = names
        self._save()

    def add(self, name: str, shard: Shard) -> None:
        self.done[name] = shard.to_json()
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


def named_in(index: Path) -> set[str]:
    """The shards that an index of ours names: plain file names that start as it does, and nothing else."""
    try:
        said = json.loads(index.read_text())["weight_map"].values()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()
    stem = index.name.removesuffix(INDEX)
    return {name for name in said if isinstance(name, str) and is_shard(name, stem)}


def is_shard(name: str, stem: str) -> bool:
    """Whether a file beside the index may be one of its shards, by its name."""
    return name.startswith(f"{stem}-") and name.endswith(ENDING) and Path(name).name == name
