"""PyTorch's format of before 1.6, which ``torch.save`` still writes when asked: pickles, then storages end to end.

Five pickles: a magic number, the protocol 1001, facts of the machine, the object, the keys of its storages. Then for
every key, in that order, an int64 count of elements and the raw elements (``_legacy_save`` in torch/serialization.py).
A persistent id has a sixth part here, ``view_metadata``, which is None since PyTorch 0.4. No checksum of any kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import Checkpoint, Glance, StoredTensor
from xframe.checkpoints.pickles.symbolic import RuleError, Rules, interpret_next
from xframe.checkpoints.refusals import refusal, shown
from xframe.checkpoints.torch.tensors import RULES, PickledTensor, Storage, as_tensor, notes_on, storage_of
from xframe.checkpoints.torch.values import SAVE_AGAIN
from xframe.checkpoints.tree import flatten
from xframe.errors import CheckpointError
from xframe.tensors import Extent, TensorSpec

# The number 0x1950a86a20f9469cfc6c in a pickle of protocol 2 to 5; from 4 on it lies in a frame.
_MAGIC = re.compile(rb"\x80[\x02-\x05](\x95\r\0{7})?\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19\.")
_MAGIC_NUMBER, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_COUNT = 8  # bytes
_NOTHING = Rules(
    names=frozenset(), calls=MappingProxyType({}), builds=MappingProxyType({}), foreign=MappingProxyType({})
)


class TorchLegacy:
    """The format of ``torch.save(state, path, _use_new_zipfile_serialization=False)``."""

    name = "torch (legacy)"
    extensions: tuple[str, ...] = ()

    def matches(self, glance: Glance) -> bool:
        """A pickle of the magic number."""
        return _MAGIC.match(glance.head) is not None

    def read(self, path: Path, budget: Budget) -> Checkpoint:  # noqa: ARG002  nothing is unpacked
        """Names, shapes and places of all tensors; ties and views stay what they are, nested names get dots."""
        with path.open("rb") as file:
            pickles = _Pickles(file, path)
            pickles.check_head()
            named = _Storages()
            tree = pickles.next("object", replace(RULES, persistent=named.persistent))
            places = dict(pickles.storages(named.found))
        flat = flatten(tree, as_tensor, str(path))
        tensors = {name: _stored(path, places, name, tensor) for name, tensor in flat.tensors.items()}
        return Checkpoint(
            path=path,
            format=self.name,
            tensors=tensors,
            notes=(*notes_on(flat.tensors), *flat.notes),
            metadata=flat.metadata,
            branches=flat.branches,
        )


def _stored(path: Path, places: dict[str, int], name: str, tensor: PickledTensor) -> StoredTensor:
    start = places[tensor.storage.key] + tensor.offset
    extent = Extent(path, start, tensor.shape, tensor.dtype, tensor.strides)
    return StoredTensor(spec=TensorSpec(name, tensor.shape, tensor.dtype), extent=extent)


class _Storages:
    """The storages that an object names, by key, as it named them first."""

    def __init__(self) -> None:
        self.found: dict[str, Storage] = {}

    def persistent(self, identifier: object) -> Storage:
        match identifier:
            case (_, _, _, _, _, None):
                storage = storage_of(identifier[:-1])
            case (_, _, _, _, _, tuple()):
                raise RuleError("a whole storage", "a part of one, as PyTorch wrote before 0.4", SAVE_AGAIN)
            case _:
                raise RuleError("('storage', a class of torch, key, location, numel, None)", "another persistent id")
        first = self.found.setdefault(storage.key, storage)
        if first.nbytes != storage.nbytes:
            raise RuleError(f"{first.nbytes} bytes in storage {shown(storage.key)}, as before", f"{storage.nbytes}")
        return storage


class _Pickles:
    """A file that is read from its start: pickles, each under a name of ours, and then storages."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.file, self.path = file, path
        self.size = path.stat().st_size

    def next(self, what: str, rules: Rules = _NOTHING) -> object:
        return interpret_next(self.file, self.size - self.file.tell(), rules, f"{self.path}: {what}")

    def check_head(self) -> None:
        for what, value in (("magic number", _MAGIC_NUMBER), ("protocol", _PROTOCOL)):
            if self.next(what) != value:
                raise refusal(f"{self.path}: {what}", expected=f"{value}", found="another")
        match self.next("sys_info"):
            case {"protocol_version": 1001, "little_endian": True, "type_sizes": dict(), **others} if not others:
                return
            case {"little_endian": False}:
                raise refusal(self.path, expected="little-endian tensors", found="big-endian ones", attempt=SAVE_AGAIN)
        raise refusal(f"{self.path}: sys_info", expected="protocol, byte order and type sizes", found="something else")

    def storages(self, named: dict[str, Storage]) -> Iterator[tuple[str, int]]:
        """Every storage's key and where its bytes start: all that the object named, no other, up to the file's end."""
        keys = self.next("keys")
        if type(keys) is not list or len(keys) != len(named) or {key for key in keys if type(key) is str} != {*named}:
            raise refusal(f"{self.path}: keys", expected="the storages of its tensors, each once", found="others")
        for key in keys:
            yield key, self._skipped(named[key])
        if self.file.tell() != self.size:
            raise refusal(
                self.path,
                expected="the file to end with its last storage",
                found=f"{self.size - self.file.tell()} more bytes",
            )

    def _skipped(self, storage: Storage) -> int:
        counted = self.file.read(_COUNT)
        start = self.file.tell()
        if len(counted) < _COUNT or storage.nbytes > self.size - start:
            raise self._error(storage, f"a count and {storage.nbytes} bytes", "the end of the file")
        count = int.from_bytes(counted, "little", signed=True)
        if count * storage.width != storage.nbytes:
            raise self._error(storage, f"{storage.nbytes // storage.width} elements, as the pickle says", f"{count}")
        self.file.seek(storage.nbytes, 1)
        return start

    def _error(self, storage: Storage, expected: str, found: str) -> CheckpointError:
        return refusal(f"{self.path}: storage {shown(storage.key)}", expected=expected, found=found)
