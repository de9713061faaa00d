"""safetensors: a length, a JSON header, the tensors' bytes end to end.

The reader is stricter than the format's library: it refuses duplicate keys, blanks before the header, unknown fields,
and names that no file system should see. The writer gives, byte for byte, what the library's ``save_file`` gives.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from types import MappingProxyType

from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import Checkpoint, Glance, Outgoing, StoredTensor
from xframe.checkpoints.pouring import Layout, Slot
from xframe.checkpoints.refusals import refusal, shown
from xframe.checkpoints.shapes import dense_bytes, is_length, is_shape
from xframe.errors import CheckpointError, UsageError
from xframe.tensors import Extent, TensorSpec

_LARGEST_HEADER = 100_000_000  # the library's own bound
_UNPACKED = 32  # bytes of memory that a byte of JSON may take, as lists of empty dicts do
_PREFIX = 8
# In the library's order, which is that of tensors in a file too: from the end, so that the widest come first.
DTYPES: Mapping[str, str] = MappingProxyType(
    {
        "BOOL": "bool", "U8": "uint8", "I8": "int8", "F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3fn",
        "I16": "int16", "U16": "uint16", "F16": "float16", "BF16": "bfloat16", "I32": "int32", "U32": "uint32",
        "F32": "float32", "C64": "complex64", "F64": "float64", "I64": "int64", "U64": "uint64",
    }
)  # fmt: skip
_CODES = {dtype: code for code, dtype in DTYPES.items()}
_RANK = {dtype: rank for rank, dtype in enumerate(DTYPES.values())}
_METADATA = "__metadata__"


class Safetensors:
    """The format of ``safetensors.*.save_file``."""

    name = "safetensors"
    extensions: tuple[str, ...] = (".safetensors",)

    def matches(self, glance: Glance) -> bool:
        """A length below 100 MB and then, perhaps after blanks, a JSON object."""
        length = int.from_bytes(glance.head[:_PREFIX], "little")
        return length <= _LARGEST_HEADER and glance.head[_PREFIX:].lstrip(b" \t\r\n")[:1] == b"{"

    def read(self, path: Path, budget: Budget) -> Checkpoint:
        """Names, shapes and places of all tensors, in the order of the header."""
        start, header = _header(path, budget)
        metadata = _metadata(path, header.pop(_METADATA, {}))
        tensors = {name: _stored(path, start, name, entry) for name, entry in header.items()}
        _check_tiling(path, start, [tensor.extent for tensor in tensors.values() if tensor.extent])
        return Checkpoint(path=path, format=self.name, tensors=tensors, metadata=metadata)

    def layout(self, tensors: Sequence[Outgoing]) -> Layout:
        """Header padded to a multiple of 8, then the tensors: widest dtypes first, then by name, like the library."""
        self.check(tensors)
        ordered = sorted(tensors, key=lambda tensor: (-_RANK[tensor.spec.dtype], tensor.spec.name.encode()))
        header = _written_header([tensor.spec for tensor in ordered])
        starts = accumulate((tensor.spec.nbytes for tensor in ordered), initial=_PREFIX + len(header))
        return Layout(
            pieces=[(0, len(header).to_bytes(_PREFIX, "little") + header)],
            slots=[Slot(start, tensor) for start, tensor in zip(starts, ordered, strict=False)],
        )

    def check(self, tensors: Sequence[Outgoing]) -> None:
        """Raises UsageError for a dtype or a name that the format has not."""
        for tensor in tensors:
            if tensor.spec.dtype not in _CODES:
                raise UsageError(
                    f"{tensor.spec.name}: expected a dtype of safetensors; found {tensor.spec.dtype}. Try: .npz."
                )
            if bad_name(tensor.spec.name) or tensor.spec.name == _METADATA:
                name = shown(tensor.spec.name)
                raise UsageError(f"expected a name that safetensors can hold; found {name!r}. Try: rename it, or .pth.")


def bad_name(name: str) -> bool:
    """Whether a tensor's name holds NUL, is no UTF-8, or could lead out of a folder if it became a path."""
    return "\0" in name or not _is_utf8(name) or ".." in name.replace("\\", "/").split("/")


def _is_utf8(name: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _header(path: Path, budget: Budget) -> tuple[int, dict[str, object]]:
    """Where the tensors' bytes start, and the header as JSON says it."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_PREFIX), "little")
        if length > min(_LARGEST_HEADER, path.stat().st_size - _PREFIX):
            raise refusal(
                path, expected=f"a header of at most {_LARGEST_HEADER} bytes in the file", found=f"one of {length}"
            )
        budget.check(path, _UNPACKED * length)
        raw = file.read(length)
    if not raw.startswith(b"{"):
        raise refusal(path, expected="a header that starts with {", found="blanks before it")
    try:
        header = json.loads(raw.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise refusal(path, expected="a header in JSON", found=shown(error) or "none") from None
    if type(header) is not dict:
        raise refusal(path, expected="a header that is an object", found=f"a {type(header).__name__}")
    return _PREFIX + length, header


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object in which no key comes twice: readers disagree about which one counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key that comes twice")
    return found


def _metadata(path: Path, metadata: object) -> dict[str, str]:
    if type(metadata) is not dict or not all(type(value) is str for value in metadata.values()):
        raise refusal(path, expected="metadata that maps text to text", found="something else")
    return {shown(key): shown(value) for key, value in metadata.items()}


def _stored(path: Path, start: int, name: str, entry: object) -> StoredTensor:
    if bad_name(name):
        raise refusal(path, expected="names without NUL or ..", found=shown(name))
    place = f"{path}: {shown(name)}"
    match entry:
        case {"dtype": str(code), "shape": [*lengths], "data_offsets": [begin, end], **others} if not others:
            shape = tuple(lengths)
            if code not in DTYPES:
                raise refusal(place, expected="a dtype among " + ", ".join(DTYPES), found=shown(code))
            if is_shape(shape) and is_length(begin) and is_length(end):
                return _placed(place, Extent.dense(path, start + begin, shape, DTYPES[code]), name, end - begin)
    raise refusal(place, expected="exactly dtype, shape and data_offsets", found="something else")


def _placed(place: str, extent: Extent, name: str, nbytes: int) -> StoredTensor:
    if dense_bytes(extent.shape, extent.dtype) != nbytes:
        raise refusal(
            place, expected=f"{dense_bytes(extent.shape, extent.dtype)} bytes", found=f"offsets {nbytes} apart"
        )
    return StoredTensor(spec=TensorSpec(name, extent.shape, extent.dtype), extent=extent)


def _check_tiling(path: Path, start: int, extents: list[Extent]) -> None:
    """The tensors fill the file from the header to its end, without a hole, an overlap, or bytes left over."""
    ordered = sorted((extent.offset, extent.end) for extent in extents)
    edges = [(start, start), *ordered, (path.stat().st_size, path.stat().st_size)]
    for (_, end), (begin, _) in pairwise(edges):
        if begin != end:
            raise _gap(path, end, begin)


def _gap(path: Path, end: int, begin: int) -> CheckpointError:
    kind = "a hole or bytes left over" if begin > end else "an overlap, or the file is cut off"
    return refusal(path, expected=f"the next tensor, or the end, at byte {end}", found=f"it at {begin}: {kind}")


def _written_header(specs: Sequence[TensorSpec]) -> bytes:
    entries: dict[str, object] = {}
    begin = 0
    for spec in specs:
        entries[spec.name] = {
            "dtype": _CODES[spec.dtype],
            "shape": list(spec.shape),
            "data_offsets": [begin, begin + spec.nbytes],
        }
        begin += spec.nbytes
    header = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    return header + b" " * (-len(header) % _PREFIX)
