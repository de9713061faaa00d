"""npz: a zip archive of .npy files, one a tensor (NEP 1), read without unpickling and without numpy's header parser.

numpy evaluates a .npy header as a Python literal; here it is matched against the one form that writers use.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

import numpy as np

from xframe.checkpoints import zips
from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import Checkpoint, Glance, Outgoing, StoredTensor
from xframe.checkpoints.pouring import Layout
from xframe.checkpoints.refusals import refusal, shown
from xframe.checkpoints.shapes import dense_bytes, is_shape, numpy_name
from xframe.checkpoints.zip_layout import Entry, zip_layout
from xframe.checkpoints.zips import Member
from xframe.errors import UsageError
from xframe.tensors import STORAGE, Array, Extent, TensorSpec

Result = TypeVar("Result")
_MAGIC = b"\x93NUMPY"
_LARGEST_HEADER = 10_000  # numpy's own bound
_HEADER = re.compile(
    rb"\{'descr': '([<>|=][a-zA-Z]\d{1,3})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,20}, ?)*\d{0,20})\),? ?\} *\n?"
)


@dataclass(frozen=True, slots=True)
class NpyHeader:
    """What a .npy file says of its array, and how many bytes it takes to say so."""

    shape: tuple[int, ...]
    dtype: str
    order: str
    size: int


class Npz:
    """The format of ``numpy.savez`` and ``numpy.savez_compressed``."""

    name = "npz"
    extensions: tuple[str, ...] = (".npz",)

    def matches(self, glance: Glance) -> bool:
        """A zip archive whose first member is a .npy file, or an empty one."""
        return zips.first_name(glance.head).endswith(".npy") or glance.head.startswith(zips.EMPTY_MAGIC)

    def read(self, path: Path, budget: Budget) -> Checkpoint:
        """Names, shapes and places of all arrays; the values themselves where they are compressed."""
        tensors = {}
        for member in zips.members(path).values():
            tensor = _stored(path, member) if member.stored else _unpacked(path, member, budget)
            tensors[tensor.spec.name] = tensor
        return Checkpoint(path=path, format=self.name, tensors=tensors)

    def layout(self, tensors: Sequence[Outgoing]) -> Layout:
        """What ``numpy.load`` reads, uncompressed, payloads at multiples of 64."""
        self.check(tensors)
        return zip_layout(Entry(f"{tensor.spec.name}.npy", npy_header(tensor.spec), tensor) for tensor in tensors)

    def check(self, tensors: Sequence[Outgoing]) -> None:
        """Raises UsageError for a dtype that numpy has no name for, or a name that no archive member may have."""
        for tensor in tensors:
            spec = tensor.spec
            if STORAGE[spec.dtype].name != spec.dtype:
                raise UsageError(
                    f"{spec.name}: expected a dtype of numpy; found {spec.dtype}, which an .npz cannot say. "
                    "Try: write .safetensors instead."
                )
            if zips.bad_name(f"{spec.name}.npy"):
                raise UsageError(f"expected a name fit for an archive; found {shown(spec.name)!r}. Try: .safetensors.")


def npy_header(spec: TensorSpec) -> bytes:
    """A .npy header of version 1, padded to a multiple of 64."""
    said = f"{{'descr': '{STORAGE[spec.dtype].str}', 'fortran_order': False, 'shape': {spec.shape}, }}"
    padding = -(len(_MAGIC) + 4 + len(said) + 1) % 64
    text = f"{said}{' ' * padding}\n".encode("ascii")
    return _MAGIC + b"\x01\x00" + len(text).to_bytes(2, "little") + text


def _name(path: Path, member: Member) -> str:
    if not member.name.endswith(".npy"):
        raise refusal(path, expected="an archive of .npy files", found=shown(member.name))
    return member.name.removesuffix(".npy")


def _stored(path: Path, member: Member) -> StoredTensor:
    with path.open("rb") as file:
        file.seek(member.offset)
        header = _parsed(file, member, f"{path}: {shown(member.name)}")
    extent = Extent.dense(path, member.offset + header.size, header.shape, header.dtype, order=header.order)
    return StoredTensor(spec=TensorSpec(_name(path, member), header.shape, header.dtype), extent=extent)


def _unpacked(path: Path, member: Member, budget: Budget) -> StoredTensor:
    """A deflated array: its header now, its values when they are asked for, one array at a time."""
    budget.check(f"{path}: {shown(member.name)}", member.size)
    header = _inflated(path, member, lambda _, header: header)
    spec = TensorSpec(_name(path, member), header.shape, header.dtype)
    return StoredTensor(spec=spec, unpack=partial(_inflated, path, member, _values))


def _inflated(path: Path, member: Member, take: Callable[[IO[bytes], NpyHeader], Result]) -> Result:
    place = f"{path}: {shown(member.name)}"
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member.name) as file:
            return take(file, _parsed(file, member, place))
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise refusal(place, expected="deflated data", found=shown(error)) from None


def _values(file: IO[bytes], header: NpyHeader) -> Array:
    """The rest of a member, whose size is the array's; zipfile checks its CRC."""
    data = file.read(dense_bytes(header.shape, header.dtype))
    flat = np.frombuffer(data, STORAGE[header.dtype])
    return flat.reshape(header.shape, order="F" if header.order == "F" else "C")


def _parsed(file: IO[bytes], member: Member, place: str) -> NpyHeader:
    """The header, once the array that it announces fills the rest of the member exactly."""
    prefix = file.read(8)
    width = {1: 2, 2: 4, 3: 4}.get(prefix[6] if len(prefix) == 8 else 0)
    if not prefix.startswith(_MAGIC) or width is None:
        raise refusal(place, expected="a .npy file of version 1, 2 or 3", found="none")
    length = int.from_bytes(file.read(width), "little")
    if length > _LARGEST_HEADER:
        raise refusal(place, expected=f"a header of at most {_LARGEST_HEADER} bytes", found=f"one of {length}")
    match = _HEADER.fullmatch(file.read(length))
    if match is None:
        raise refusal(place, expected="the header of an array of numbers", found="another, such as one of objects")
    return _checked(match, member, place, 8 + width + length)


def _checked(match: re.Match[bytes], member: Member, place: str, size: int) -> NpyHeader:
    code, fortran, lengths = (group.decode() for group in match.groups())
    dtype, shape = numpy_name(code[1:]), tuple(int(length) for length in re.findall(r"\d+", lengths))
    if dtype is None or code[0] in {">", "="}:
        raise refusal(place, expected="little-endian numbers", found=f"the dtype {code}")
    if not is_shape(shape) or size + dense_bytes(shape, dtype) != member.size:
        raise refusal(place, expected=f"{member.size - size} bytes of {dtype}", found=f"the shape {shown(shape)}")
    return NpyHeader(shape, dtype, "F" if fortran == "True" else "C", size)
