"""HDF5 files walked with h5py, link by link: only what lies in the file itself, only numbers, only what is there.

HDF5 can point anywhere: soft and external links, external storage and virtual datasets name other files and paths. All
are refused before they are followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any

from xframe.checkpoints.keras.values import Values
from xframe.checkpoints.model import StoredTensor
from xframe.checkpoints.refusals import refusal, shown
from xframe.checkpoints.shapes import dense_bytes, is_shape, numpy_name
from xframe.errors import CheckpointError
from xframe.tensors import Extent, TensorSpec

MAGIC = b"\x89HDF\r\n\x1a\n"
_DEEPEST = 64
MOST_OBJECTS = 200_000
_MOST_UNPACKED = 2**30
_MOST_RATIO = 100
_FILTERS = frozenset({1, 2, 3})  # deflate, shuffle, fletcher32: the ones that HDF5 always has
# What h5py raises on damaged files: no one class covers it.
_H5PY_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError, MemoryError)


@dataclass(frozen=True, slots=True)
class Window:
    """Where an HDF5 file lies: a whole file, or ``size`` bytes of one from ``start`` on."""

    path: Path
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset found in the file: its group path, and h5py's object for it."""

    path: tuple[str, ...]
    data: Any


@contextmanager
def opened(window: Window) -> Iterator[Any]:
    """The HDF5 file in ``window`` as h5py's root group; what h5py raises on damaged files becomes CheckpointError."""
    import h5py  # noqa: PLC0415 - 60 ms that only HDF5 files shall cost

    try:
        with window.path.open("rb") as file, h5py.File(_Slice(file, window), "r") as root:
            if root.userblock_size:
                raise refusal(window.path, expected="HDF5 from the first byte on", found="a user block before it")
            yield root
    except CheckpointError:
        raise
    except _H5PY_ERRORS as error:
        raise refusal(window.path, expected="a sound HDF5 file", found=f"a damaged one ({shown(error)})") from None


def child(place: str, group: Any, name: str) -> Any:
    """The member ``name`` of ``group``, which must be there by a hard link."""
    import h5py  # noqa: PLC0415 - as above

    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        kind = type(link).__name__ if link is not None else "no link"
        raise refusal(f"{place}/{shown(name)}", expected="a hard link within the file", found=f"{kind}, not followed")
    return group[name]


def datasets(place: str, root: Any) -> Iterator[Dataset]:
    """Every dataset under ``root``, once, in natural order of names (2 before 10)."""
    import h5py  # noqa: PLC0415 - as above

    waiting: list[tuple[tuple[str, ...], Any]] = [((), root)]
    seen: set[int] = set()
    while waiting:
        path, node = waiting.pop()
        address = h5py.h5o.get_info(node.id).addr
        if address in seen or len(seen) > MOST_OBJECTS or len(path) > _DEEPEST:
            raise refusal(f"{place}: {shown('/'.join(path))}", expected="a tree", found="a loop or a second link")
        seen.add(address)
        if isinstance(node, h5py.Dataset):
            yield Dataset(path, node)
        elif isinstance(node, h5py.Group):
            names = sorted(node, key=_natural, reverse=True)
            waiting += [((*path, name), child(f"{place}: {shown('/'.join(path))}", node, name)) for name in names]


def as_dataset(place: str, node: Any, name: str) -> Any:
    """The object of that name, which must be a dataset."""
    import h5py  # noqa: PLC0415 - as above

    if not isinstance(node, h5py.Dataset):
        raise refusal(f"{place}: {shown(name)}", expected="a dataset", found=f"a {type(node).__name__.lower()}")
    return node


def stored(window: Window, name: str, dataset: Any, values: Values) -> StoredTensor:
    """The dataset as a tensor: by its place in the file if it lies there in one piece, else by one among ``values``."""
    place = f"{window.path}: {shown(name)}"
    dtype = _dtype(place, dataset)
    spec = TensorSpec(name, _shape(place, dataset), dtype)
    plist = dataset.id.get_create_plist()
    _check_storage(place, spec, dataset, plist)
    offset = dataset.id.get_offset()
    if spec.numel == 0 or offset is not None:
        extent = Extent.dense(window.path, window.start + (offset or 0), spec.shape, dtype)
        if offset is not None and offset + spec.nbytes > window.size:
            raise refusal(place, expected="its bytes in the file", found="a place beyond its end")
        return StoredTensor(spec=spec, extent=extent)
    return StoredTensor(spec=spec, extent=values.take(place, spec, dataset))


def _shape(place: str, dataset: Any) -> tuple[int, ...]:
    shape = dataset.shape
    if not is_shape(shape):
        raise refusal(place, expected="a tensor", found=f"the shape {shown(shape)}")
    return shape


def _dtype(place: str, dataset: Any) -> str:
    """bfloat16 is two opaque bytes with an attribute that says so: Keras' own convention."""
    kind = dataset.dtype
    if kind.str == "|V2" and dataset.attrs.get("dtype") == "bfloat16":
        return "bfloat16"
    name = numpy_name(kind.str[1:]) if kind.str[0] in {"<", "|"} else None
    if name is None:
        raise refusal(place, expected="little-endian numbers", found=f"the dtype {shown(kind)}")
    return name


def _check_storage(place: str, spec: TensorSpec, dataset: Any, plist: Any) -> None:
    import h5py  # noqa: PLC0415 - as above

    filters = {plist.get_filter(index)[0] for index in range(plist.get_nfilters())}
    held = dataset.id.get_storage_size()
    if plist.get_external_count() or plist.get_layout() == h5py.h5d.VIRTUAL:
        raise refusal(place, expected="data in the file itself", found="data in other files, not opened")
    if not filters <= _FILTERS:
        raise refusal(place, expected="deflate, shuffle or checksums", found=f"HDF5 filter {max(filters - _FILTERS)}")
    plausible = held * _MOST_RATIO >= spec.nbytes or spec.nbytes <= _MOST_UNPACKED
    unpacks = plist.get_layout() == h5py.h5d.CHUNKED and plausible
    if spec.nbytes and not (held if unpacks else held >= dense_bytes(spec.shape, spec.dtype)):
        raise refusal(place, expected=f"{spec.nbytes} bytes for {shown(spec)}", found=f"{held} in the file")


def _natural(name: str) -> tuple[bool, int, str]:
    return (not name.isascii() or not name.isdigit(), int(name) if name.isascii() and name.isdigit() else 0, name)


class _Slice(RawIOBase):
    """A part of an open file, as a file."""

    def __init__(self, file: Any, window: Window) -> None:
        super().__init__()
        self._file = file
        self._window = window
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (0, self._position, self._window.size)[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        count = max(0, min(len(buffer), self._window.size - self._position))
        self._file.seek(self._window.start + self._position)
        read: int = self._file.readinto(memoryview(buffer)[:count])
        self._position += read
        return read
