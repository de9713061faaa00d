"""Checkpoints in several files: a JSON index says which shard, a weight file beside it, holds which tensor.

The index is ``{"metadata": {"total_size": …}, "weight_map": {tensor: shard}}``, as Hugging Face's transformers writes
it (``model.safetensors.index.json``, ``pytorch_model.bin.index.json``) and PaddleNLP after it. Index and shards must
agree on every tensor.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import Checkpoint, Glance, StoredTensor
from xframe.checkpoints.refusals import refusal, shown
from xframe.errors import CheckpointError

_LARGEST_INDEX = 100_000_000
_PARSED = 32  # bytes of memory that a byte of JSON may take
_LONGEST_NAME = 255
_MOST_NAMED = 8
# The first key is one of an index's, or the map stands in what is glanced at.
_INDEX = re.compile(rb'\s*\{(\s*"(metadata|weight_map)"\s*:|.*"weight_map"\s*:\s*\{)', re.DOTALL)
_HEAD = 4096

ReadFile = Callable[[Path, Budget], Checkpoint]


class ShardIndex:
    """The format of an index; ``read_file`` reads a shard, of any format but this one."""

    name = "sharded"
    extensions: tuple[str, ...] = ()

    def __init__(self, read_file: ReadFile) -> None:
        self._read_file = read_file

    def matches(self, glance: Glance) -> bool:
        """A JSON object that starts as an index does."""
        return _INDEX.match(glance.head) is not None

    def read(self, path: Path, budget: Budget) -> Checkpoint:
        """All tensors of all shards, in the order of the index; the format is "sharded" and that of the shards."""
        index = _Index.parse(path, budget)
        shards = {name: self._shard(path, name, budget) for name in dict.fromkeys(index.weight_map.values())}
        index.check(shards)
        tensors = {name: shards[shard].tensors[name] for name, shard in index.weight_map.items()}
        return Checkpoint(
            path=path,
            format=f"{self.name} {_common_format(path, shards)}",
            tensors=tensors,
            notes=(*_shard_notes(shards), *index.notes(tensors)),
            metadata=_common_metadata(shards) | index.metadata,
            branches=_branches(shards),
            parts=tuple(shard.path for shard in shards.values()),
        )

    def _shard(self, path: Path, name: str, budget: Budget) -> Checkpoint:
        shard = path.parent / name
        if shard.is_file():  # else the reader says what it is instead
            with shard.open("rb") as file:
                if _INDEX.match(file.read(_HEAD)):
                    raise refusal(shard, expected="a shard with tensors", found="an index within an index")
        return self._read_file(shard, budget)


@dataclass(frozen=True, slots=True)
class _Index:
    """An index file: the shard of every tensor, its metadata in words, its total size if it says one."""

    path: Path
    weight_map: Mapping[str, str]
    metadata: dict[str, str]
    total_size: object
    unknown: tuple[str, ...]

    @classmethod
    def parse(cls, path: Path, budget: Budget) -> _Index:
        match _json(path, budget):
            case {"weight_map": dict() as weight_map, **others} if weight_map:
                metadata = others.pop("metadata", {})
                if isinstance(metadata, dict):
                    for shard in weight_map.values():
                        _check_name(path, shard)
                    words = {shown(key): _in_words(value) for key, value in metadata.items()}
                    return cls(path, weight_map, words, metadata.get("total_size"), tuple(map(shown, others)))
        raise refusal(path, expected="an index with a weight_map of tensors to shards", found="something else")

    def check(self, shards: Mapping[str, Checkpoint]) -> None:
        """Raises CheckpointError unless every shard holds exactly the tensors that the map says it holds."""
        wanted: dict[str, set[str]] = {name: set() for name in shards}
        for tensor, shard in self.weight_map.items():
            wanted[shard].add(tensor)
        for name, checkpoint in shards.items():
            held = checkpoint.tensors.keys()
            if missing := wanted[name] - held:
                raise self._disagreement(checkpoint, "every tensor that the index says is in it", "not", missing)
            if more := held - wanted[name]:
                raise self._disagreement(checkpoint, "only tensors that the index says are in it", "also", more)

    def notes(self, tensors: Mapping[str, StoredTensor]) -> tuple[str, ...]:
        found = []
        nbytes = sum(tensor.spec.nbytes for tensor in tensors.values())
        if isinstance(self.total_size, int | float) and self.total_size != nbytes:
            found.append(f"the index says {shown(self.total_size)} bytes in all, the tensors take {nbytes}")
        if self.unknown:
            found.append(f"left out of the index: {_listed(self.unknown)}")
        return tuple(found)

    def _disagreement(self, shard: Checkpoint, expected: str, found: str, names: set[str]) -> CheckpointError:
        attempt = "fetch index and shards again, all of one revision"
        return refusal(shard.path, expected=expected, found=f"{found} {_listed(sorted(names))}", attempt=attempt)


def _json(path: Path, budget: Budget) -> object:
    size = path.stat().st_size
    if size > _LARGEST_INDEX:
        raise refusal(path, expected=f"an index of at most {_LARGEST_INDEX} bytes", found=f"one of {size}")
    budget.check(path, size * _PARSED)
    with path.open("rb") as file:
        raw = file.read(size)
    try:
        parsed: object = json.loads(raw.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise refusal(path, expected="an index in JSON", found=shown(error) or "none") from None
    return parsed


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object in which no key comes twice: readers disagree about which one counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key that comes twice")
    return found


def _check_name(path: Path, shard: object) -> None:
    """A shard lies beside its index, under a name that can be printed."""
    plain = isinstance(shard, str) and shard.isprintable() and 0 < len(shard.encode()) <= _LONGEST_NAME
    if not plain or shard in {".", ".."} or any(letter in str(shard) for letter in "/\\"):
        raise refusal(path, expected="shards in the folder of the index, by name", found=shown(shard))


def _in_words(value: object) -> str:
    return f"{len(value)} entries" if isinstance(value, dict | list) else shown(value)


def _common_format(path: Path, shards: Mapping[str, Checkpoint]) -> str:
    formats = sorted({shard.format for shard in shards.values()})
    if len(formats) > 1:
        raise refusal(path, expected="shards of one format", found=", ".join(formats))
    return formats[0]


def _common_metadata(shards: Mapping[str, Checkpoint]) -> dict[str, str]:
    """What every shard says: ``format: pt``, for one. What only some say is theirs, not the checkpoint's."""
    first, *others = (shard.metadata.items() for shard in shards.values())
    return {key: value for key, value in first if all((key, value) in other for other in others)}


def _shard_notes(shards: Mapping[str, Checkpoint]) -> tuple[str, ...]:
    """What there is to note of all shards once, and of single ones with their names."""
    counts = Counter(note for shard in shards.values() for note in shard.notes)
    common = [note for note, count in counts.items() if count == len(shards)]
    single = [f"{name}: {note}" for name, shard in shards.items() for note in shard.notes if note not in common]
    return (*common, *single)


def _branches(shards: Mapping[str, Checkpoint]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for shard in shards.values():
        total.update(shard.branches)
    return dict(total)


def _listed(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(shown, names[:_MOST_NAMED])) + more
