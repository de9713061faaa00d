"""PyTorch's zip format (.pth, .pt, .bin): a pickle of tensors over storages that lie beside it, read without PyTorch.

The layout is that of ``torch.save`` since 1.6: ``<root>/data.pkl``, and a stored member ``<root>/data/<key>`` for every
storage. The pickle's CRC is checked on reading, a storage's when its values are first asked for. A writer's option
leaves all CRCs 0, and ``torch.serialization.skip_data`` those of the storages: 0 means unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from xframe.checkpoints import zips
from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import Checkpoint, Glance, Outgoing, StoredTensor
from xframe.checkpoints.pickles.symbolic import interpret
from xframe.checkpoints.pouring import Layout
from xframe.checkpoints.refusals import refusal
from xframe.checkpoints.torch.checksum import Checksum
from xframe.checkpoints.torch.tensors import RULES, PickledTensor, Storage, as_tensor, notes_on, pickled_state_dict
from xframe.checkpoints.torch.values import SAVE_AGAIN
from xframe.checkpoints.tree import flatten
from xframe.checkpoints.zip_layout import Entry, zip_layout
from xframe.checkpoints.zips import Member
from xframe.errors import CheckpointError
from xframe.tensors import Extent, TensorSpec

_ROOT = "archive"
_LARGEST_PICKLE = 256 * 2**20
_MEMBERS = frozenset({"data.pkl", "byteorder", "version", ".format_version", ".storage_alignment"})


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
        notes = (*archive.notes(), *notes_on(flat.tensors), *flat.notes)
        return Checkpoint(
            path=path, format=self.name, tensors=tensors, notes=notes, metadata=flat.metadata, branches=flat.branches
        )

    def layout(self, tensors: Sequence[Outgoing]) -> Layout:
        """What ``torch.load(path, weights_only=True, mmap=True)`` reads as an OrderedDict of CPU tensors."""
        head = {
            "data.pkl": pickled_state_dict([tensor.spec for tensor in tensors]),
            ".format_version": b"1",
            ".storage_alignment": b"64",
            "byteorder": b"little",
        }
        return zip_layout(
            [
                *(Entry(f"{_ROOT}/{name}", data) for name, data in head.items()),
                *(Entry(f"{_ROOT}/data/{index}", b"", tensor) for index, tensor in enumerate(tensors)),
                Entry(f"{_ROOT}/version", b"3\n"),
            ]
        )


class _Archive:
    """The members of one file, by their names below its root folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.members = self._below_root(zips.members(path))
        self._check_byteorder()
        self._checksums = {name: Checksum(path, member) for name, member in self.members.items() if member.crc}

    def pickle(self, budget: Budget) -> bytes:
        if "constants.pkl" in self.members:
            found, attempt = "a TorchScript archive", "torch.jit.load it and torch.save its state_dict()"
            raise refusal(self.path, expected="a file saved by torch.save", found=found, attempt=attempt)
        if "data.pkl" not in self.members:
            raise refusal(self.path, expected="a file saved by torch.save", found="no data.pkl", attempt=SAVE_AGAIN)
        budget.check(self.path, self.members["data.pkl"].size)
        return zips.content(self.path, self.members["data.pkl"], most=_LARGEST_PICKLE)

    def stored(self, name: str, tensor: PickledTensor) -> StoredTensor:
        """The tensor in its storage's record, once that is as long as the pickle says: the tensor fits the storage."""
        member = self._record(tensor.storage)
        extent = Extent(self.path, member.offset + tensor.offset, tensor.shape, tensor.dtype, tensor.strides)
        spec = TensorSpec(name, tensor.shape, tensor.dtype)
        return StoredTensor(spec=spec, extent=extent, check=self._checksums.get(f"data/{tensor.storage.key}"))

    def notes(self) -> tuple[str, ...]:
        filled = {name: member for name, member in self.members.items() if member.size}
        if not any(member.crc for member in filled.values()):
            return ("the archive carries no CRCs",)
        unknown = [name for name, member in filled.items() if name.startswith("data/") and not member.crc]
        return (f"storages without a CRC: {len(unknown)}",) if unknown else ()

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
