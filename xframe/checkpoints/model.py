"""What a checkpoint is, whatever its format: named tensors, each with its spec and the place of its bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from xframe.checkpoints.budget import Budget
from xframe.checkpoints.refusals import refusal, shown
from xframe.errors import CheckpointError, OutputError
from xframe.strips import strips
from xframe.tensors import STORAGE, Array, Extent, TensorSpec

if TYPE_CHECKING:
    from xframe.checkpoints.pouring import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """A tensor of a checkpoint. Its bytes lie in a file (``extent``), or have to be unpacked from one (``unpack``).

    ``check`` is asked before the values are first used: a format's checksum over them. It raises CheckpointError.
    """

    spec: TensorSpec
    extent: Extent | None = None
    unpack: Callable[[], Array] | None = None
    check: Callable[[], None] | None = None

    def array(self) -> Array:
        """The values in the storage dtype, as a read-only view where the file allows it.

        Raises CheckpointError where the bytes turn out not to be what the file says of them.
        """
        if self.check is not None:
            self.check()
        if self.extent is not None:
            return self._mapped(self.extent)
        assert self.unpack is not None
        return self.unpack()

    def _mapped(self, extent: Extent) -> Array:
        try:
            return extent.map()
        except (OSError, ValueError) as error:  # it was there, and as large as it said, when it was read
            raise refusal(
                f"{extent.path}: {shown(self.spec.name)}",
                expected="the file as it was read", found=shown(error), attempt="again, with the file at rest",
            ) from None  # fmt: skip

    def renamed(self, name: str) -> StoredTensor:
        return replace(self, spec=replace(self.spec, name=name))

    def as_dtype(self, dtype: str) -> StoredTensor:
        """The same bits read as ``dtype``, which must be as wide."""
        if STORAGE[dtype].itemsize != STORAGE[self.spec.dtype].itemsize:
            raise CheckpointError(f"{shown(self.spec)}: expected a dtype as wide; found {dtype}. Try: no other dtype.")
        unpack, storage = self.unpack, STORAGE[dtype]
        return replace(
            self,
            spec=replace(self.spec, dtype=dtype),
            extent=self.extent and replace(self.extent, dtype=dtype),
            unpack=None if unpack is None else lambda: unpack().view(storage),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A weight file, read: its tensors in file order, and what else a user should know of it (``notes``).

    ``metadata`` is what it holds besides tensors, by dotted name, each value in a few words. ``branches`` has the
    dotted path of every dict or list in it that holds tensors, with their number: known, not read out of names.
    ``parts`` are the files of which an index tells.
    """

    path: Path
    format: str
    tensors: Mapping[str, StoredTensor]
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    branches: Mapping[str, int] = field(default_factory=dict)
    parts: tuple[Path, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors, dense."""
        return sum(tensor.spec.nbytes for tensor in self.tensors.values())

    @property
    def files(self) -> frozenset[Path]:
        """Every file that it is read from."""
        extents = (tensor.extent for tensor in self.tensors.values())
        return frozenset({self.path, *self.parts, *(extent.path for extent in extents if extent is not None)})

    @property
    def specs(self) -> tuple[TensorSpec, ...]:
        return tuple(tensor.spec for tensor in self.tensors.values())

    def noting(self, note: str) -> Checkpoint:
        """The same checkpoint with one more note."""
        return replace(self, notes=(*self.notes, note))

    def under(self, prefix: str) -> Checkpoint:
        """The tensors whose names start with ``prefix``, without it: one branch of a wrapped file."""
        tensors = {
            name.removeprefix(prefix): tensor.renamed(name.removeprefix(prefix))
            for name, tensor in self.tensors.items()
            if name.startswith(prefix)
        }
        return replace(self, tensors=tensors).noting(f"only what is under {prefix!r}, without that prefix")

    def as_dtype(self, dtypes: Mapping[str, str]) -> Checkpoint:
        """The same bits under other dtypes, by tensor name: Paddle, for one, stores bfloat16 as uint16."""
        tensors = {
            name: tensor.as_dtype(dtypes[name]) if name in dtypes else tensor for name, tensor in self.tensors.items()
        }
        return replace(self, tensors=tensors)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A tensor on its way into a file: its spec now; its values when the writer asks.

    ``strips`` gives them in C order and storage dtype as flat arrays, each good until the next is asked for.
    """

    spec: TensorSpec
    strips: Callable[[], Iterable[Array]]

    @classmethod
    def whole(cls, spec: TensorSpec, values: Callable[[], Array]) -> Outgoing:
        """From a function that returns the tensor in one piece, whatever its strides."""
        return cls(spec, lambda: strips(_fitting(spec, values())))

    def values(self) -> Array:
        """The tensor in one piece."""
        flat = np.empty(self.spec.numel, STORAGE[self.spec.dtype])
        position = 0
        for strip in self.strips():
            flat[position : position + strip.size] = strip
            position += strip.size
        return flat.reshape(self.spec.shape)


def _fitting(spec: TensorSpec, values: Array) -> Array:
    if values.shape != spec.shape or values.dtype != STORAGE[spec.dtype]:
        raise OutputError(f"{spec.name}: expected {spec}; found values of {values.dtype}{list(values.shape)}.")
    return values


@dataclass(frozen=True, slots=True)
class Glance:
    """What tells a format: a file's first 4 KiB, its last 64 bytes, its size."""

    head: bytes
    tail: bytes
    size: int


class Reader(Protocol):
    """A weight file format that can be read. ``read`` trusts nothing."""

    name: str
    extensions: tuple[str, ...]

    def matches(self, glance: Glance) -> bool:
        """Whether the file's content looks like this format, whatever its extension."""
        ...

    def read(self, path: Path, budget: Budget) -> Checkpoint:
        """Parse names, shapes, dtypes and places. Raises CheckpointError on anything out of the ordinary."""
        ...


class Format(Reader, Protocol):
    """A weight file format that can be written too."""

    def layout(self, tensors: Sequence[Outgoing]) -> Layout:
        """Where everything of the file goes. Raises UsageError for a tensor that the format cannot hold."""
        ...
