"""PyTorch's zip format (.pth, .pt, .bin): a pickle of tensors over storages that lie beside it, read without PyTorch.

The layout is that of ``torch.save`` since 1.6: ``<root>/data.pkl``, and a stored member ``<root>/data/<key>`` for every
storage. CRCs of the storages are not checked on reading, which would read every byte of a file that may be mapped
instead; the pickle's CRC is. A writer's option leaves all CRCs 0, which means unknown.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from xframe.checkpoints import zips
from xframe.checkpoints.bits import write_bytes
from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import Checkpoint, Glance, Outgoing, StoredTensor
from xframe.checkpoints.pickles.symbolic import interpret
from xframe.checkpoints.refusals import refusal
from xframe.checkpoints.torch.tensors import RULES, PickledTensor, Storage, as_tensor, pickled_state_dict
from xframe.checkpoints.tree import flatten
from xframe.checkpoints.zips import Member
from xframe.errors import CheckpointError
from xframe.tensors import Extent, TensorSpec

_ROOT = "archive"
_LARGEST_PICKLE = 256 * 2**20
_MEMBERS = frozenset({"data.pkl", "byteorder", "version", ".format_version", ".storage_alignment"})
_FOLDERS = ("data/", ".data/", "extra/")


class TorchZip:
    """The format of ``torch.save(module.state_dict(), path)``."""

    name = "torch"
    extensions: tuple[str, ...] = (".pth", ".pt", ".bin", ".ckpt")

    def matches(self, glance: Glance) -> bool:
        """A zip archive whose first member lies in a folder of its own and is one of PyTorch's."""
        root, _, name = zips.first_name(glance.head).partition("/")
        return bool(root) and (name in _MEMBERS or name.startswith(("data/", "code/", "constants")))

    def read(self, path: Path, budget: Budget) -> Checkpoint:
        """Names, shapes and places of all tensors; ties and views stay what they are, nested names get dots."""
        archive = _Archive(path)
        data = archive.pickle(budget)
        tree = interpret(BytesIO(data), len(data), RULES, f"{path}: data.pkl")
        flat = flatten(tree, as_tensor, str(path))
        tensors = {name: archive.stored(name, tensor) for name, tensor in flat.tensors.items()}
        return Checkpoint(path=path, format=self.name, tensors=tensors, notes=(*archive.notes(), *flat.notes))

    def write(self, file: BinaryIO, tensors: Sequence[Outgoing]) -> None:
        """What ``torch.load(path, weights_only=True, mmap=True)`` reads as an OrderedDict of CPU tensors."""
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            zips.add_bytes(archive, f"{_ROOT}/data.pkl", pickled_state_dict([tensor.spec for tensor in tensors]))
            zips.add_bytes(archive, f"{_ROOT}/.format_version", b"1")
            zips.add_bytes(archive, f"{_ROOT}/.storage_alignment", b"64")
            zips.add_bytes(archive, f"{_ROOT}/byteorder", b"little")
            for index, tensor in enumerate(tensors):
                zips.add(archive, f"{_ROOT}/data/{index}", tensor.spec.nbytes, partial(write_bytes, tensor=tensor))
            zips.add_bytes(archive, f"{_ROOT}/version", b"3\n")


class _Archive:
    """The members of one file, by their names below its root folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.members = self._below_root(zips.members(path))
        self._check_byteorder()

    def pickle(self, budget: Budget) -> bytes:
        if "data.pkl" not in self.members or "constants.pkl" in self.members:
            raise refusal(
                self.path,
                expected="a file saved by torch.save",
                found="no data.pkl" if "data.pkl" not in self.members else "a TorchScript archive",
                attempt="load it in PyTorch and torch.save its state_dict()",
            )
        budget.check(self.path, self.members["data.pkl"].size)
        return zips.content(self.path, self.members["data.pkl"], most=_LARGEST_PICKLE)

    def stored(self, name: str, tensor: PickledTensor) -> StoredTensor:
        """The tensor in its storage's record, once that is as long as the pickle says: the tensor fits the storage."""
        member = self._record(tensor.storage)
        extent = Extent(self.path, member.offset + tensor.offset, tensor.shape, tensor.dtype, tensor.strides)
        return StoredTensor(spec=TensorSpec(name, tensor.shape, tensor.dtype), extent=extent)

    def notes(self) -> tuple[str, ...]:
        crcs = [member.crc for member in self.members.values() if member.size]
        return () if any(crcs) else ("the archive carries no CRCs",)

    def error(self, storage: Storage, expected: str, found: str) -> CheckpointError:
        return refusal(f"{self.path}: storage {storage.key!a}", expected=expected, found=found)

    def _record(self, storage: Storage) -> Member:
        member = self.members.get(f"data/{storage.key}")
        if member is None or not member.stored:
            raise self.error(storage, "a stored member of that name", "none" if member is None else "a deflated one")
        if member.size != storage.nbytes:
            raise self.error(storage, f"{storage.nbytes} bytes, as the pickle says", f"{member.size}")
        return member

    def _below_root(self, members: dict[str, Member]) -> dict[str, Member]:
        root = next(iter(members), "").partition("/")[0]
        if not all(name.startswith(f"{root}/") for name in members):
            raise refusal(self.path, expected=f"one folder, {root!a}, in the archive", found="members beside it")
        return {name[len(root) + 1 :]: member for name, member in members.items()}

    def _check_byteorder(self) -> None:
        """No ``byteorder`` means little-endian: PyTorch before 2.0 wrote none."""
        if "byteorder" in self.members:
            order = zips.content(self.path, self.members["byteorder"], most=16)
            if order != b"little":
                raise refusal(self.path, expected="little-endian tensors", found=f"byteorder {order!r}")
