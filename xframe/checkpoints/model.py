"""What a checkpoint is, whatever its format: named tensors, each with its spec and the place of its bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from xframe.tensors import Array, Extent, TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """A tensor of a checkpoint. Its bytes lie in a file (``extent``) or, where the format packs them, in ``values``."""

    spec: TensorSpec
    extent: Extent | None = None
    values: Array | None = None

    def array(self) -> Array:
        """The values in the storage dtype, as a read-only view where the file allows it."""
        if self.extent is not None:
            return self.extent.map()
        assert self.values is not None
        return self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A weight file, read: its tensors in file order, and what else a user should know of it (``notes``)."""

    path: Path
    format: str
    tensors: Mapping[str, StoredTensor]
    notes: tuple[str, ...] = field(default=())

    @property
    def specs(self) -> tuple[TensorSpec, ...]:
        return tuple(tensor.spec for tensor in self.tensors.values())


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A tensor on its way into a file: its spec now, its values (storage dtype, C order) when the writer asks."""

    spec: TensorSpec
    values: Callable[[], Array]


class Format(Protocol):
    """A weight file format. ``read`` trusts nothing; ``write`` streams one tensor at a time."""

    name: str
    extensions: tuple[str, ...]

    def matches(self, path: Path, head: bytes) -> bool:
        """Whether the file's content (its first 4 KiB, ``head``) is of this format, whatever its extension."""
        ...

    def read(self, path: Path) -> Checkpoint:
        """Parse names, shapes, dtypes and places. Raises CheckpointError on anything out of the ordinary."""
        ...

    def write(self, file: BinaryIO, tensors: Sequence[Outgoing]) -> None:
        """Write all tensors into an open binary file."""
        ...
