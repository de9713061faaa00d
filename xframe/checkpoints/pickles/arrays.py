"""numpy arrays as pickles spell them: an empty array rebuilt by state, or a buffer with a dtype and a shape.

The spellings are those of ``ndarray.__reduce__`` (protocols 2 to 4) and ``ndarray.__reduce_ex__(5)``, under the module
names of numpy 1 (``numpy.core``) and numpy 2 (``numpy._core``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np

from xframe.checkpoints.model import StoredTensor
from xframe.checkpoints.pickles.symbolic import Build, Call, Global, Payload, RuleError
from xframe.checkpoints.refusals import shown
from xframe.checkpoints.shapes import dense_bytes, is_shape, numpy_name
from xframe.tensors import STORAGE, Extent, TensorSpec

_NDARRAY = Global("numpy", "ndarray")


@dataclass(frozen=True, slots=True)
class Dtype:
    """``numpy.dtype(code)``: fit for a tensor if numpy's code is."""

    code: str

    @property
    def name(self) -> str:
        name = numpy_name(self.code)
        if name is None:
            raise RuleError("an array of numbers", f"one of numpy's dtype {shown(self.code)}")
        return name


@dataclass(frozen=True, slots=True)
class EmptyArray:
    """An array before its state is set."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A numpy scalar, in words: not a tensor, and left out of the state dict."""

    words: str

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True, slots=True)
class PickledArray:
    """An array: its bytes lie in the pickle as they are, or had to be decoded."""

    shape: tuple[int, ...]
    dtype: str
    order: str
    data: Payload | bytes

    def __str__(self) -> str:
        return f"an array, {self.dtype}{list(self.shape)}"

    def stored(self, name: str, path: Path) -> StoredTensor:
        """The array under ``name`` of the file at ``path``, which the pickle starts with."""
        spec = TensorSpec(name, self.shape, self.dtype)
        if isinstance(self.data, Payload):
            extent = Extent.dense(path, self.data.offset, self.shape, self.dtype, order=self.order)
            return StoredTensor(spec=spec, extent=extent)
        flat = np.frombuffer(self.data, STORAGE[self.dtype])
        order: Literal["C", "F"] = "F" if self.order == "F" else "C"
        return StoredTensor(spec=spec, unpack=partial(flat.reshape, self.shape, order=order))


def _dtype(arguments: tuple[object, ...]) -> Dtype:
    match arguments:
        case (str(code), 0 | 1, 0 | 1):
            return Dtype(code)
    raise RuleError("numpy.dtype(code, align, copy)", "other arguments")


def _dtype_with_order(target: object, state: object) -> Dtype:
    assert isinstance(target, Dtype)
    match state:
        case (int(), "<" | "|", None, None, None, -1, -1, int()):
            return target
        case (int(), ">", *_):
            raise RuleError("little-endian numbers", "big-endian ones")
    raise RuleError("the state of a plain dtype", "another")


def _reconstruct(arguments: tuple[object, ...]) -> EmptyArray:
    match arguments:
        case (Global() as kind, (0,), Payload(length=1) | b"b" | "b") if kind == _NDARRAY:
            return EmptyArray()
    raise RuleError("_reconstruct(numpy.ndarray, (0,), b'b')", "other arguments")


def _array_with_state(_target: object, state: object) -> PickledArray:
    match state:
        case (1, shape, Dtype() as dtype, bool(fortran), data):
            return _array(shape, dtype, "F" if fortran else "C", data)
    raise RuleError("an array's state (1, shape, dtype, fortran, bytes)", "another")


def _from_buffer(arguments: tuple[object, ...]) -> PickledArray:
    match arguments:
        case (Payload() as data, Dtype() as dtype, shape, "C" | "F" as order):
            return _array(shape, dtype, order, data)
    raise RuleError("_frombuffer(bytes, dtype, shape, order)", "other arguments")


def _array(shape: object, dtype: Dtype, order: str, data: object) -> PickledArray:
    if not is_shape(shape):
        raise RuleError("a shape", "something else, or one that no memory holds")
    if isinstance(data, str):  # a short str of Python 2
        data = _encoded((data, "latin1"))
    if not isinstance(data, Payload | bytes):
        raise RuleError("an array's bytes", f"a {type(data).__name__}")
    held = data.length if isinstance(data, Payload) else len(data)
    if held != dense_bytes(shape, dtype.name):
        raise RuleError(f"{dense_bytes(shape, dtype.name)} bytes for {dtype.name}{list(shape)}", f"{held}")
    return PickledArray(shape, dtype.name, order, data)


def _encoded(arguments: tuple[object, ...]) -> bytes:
    """``_codecs.encode(text, 'latin1')``: how protocol 2 spells bytes."""
    match arguments:
        case (str(text), "latin1"):
            try:
                return text.encode("latin1")
            except UnicodeEncodeError:
                raise RuleError("text of Latin-1 letters", "others") from None
    raise RuleError("_codecs.encode(text, 'latin1')", "other arguments")


def _no_bytes(arguments: tuple[object, ...]) -> bytes:
    """``bytes()``: how protocol 2 spells no bytes at all."""
    if arguments:
        raise RuleError("bytes()", "bytes with arguments")
    return b""


def _scalar(arguments: tuple[object, ...]) -> Scalar:
    match arguments:
        case (Dtype() as dtype, Payload() | bytes() | str() as data):
            return Scalar(_number(dtype, data))
    raise RuleError("scalar(dtype, bytes)", "other arguments")


def _number(dtype: Dtype, data: Payload | bytes | str) -> str:
    """A number in words; of text, dates and whatever else no tensor holds, what it is."""
    name = numpy_name(dtype.code)
    if name is None:
        return f"a scalar of numpy's dtype {shown(dtype.code)}"
    held = data.short if isinstance(data, Payload) else _encoded((data, "latin1")) if isinstance(data, str) else data
    if len(held) != STORAGE[name].itemsize:
        raise RuleError(f"{STORAGE[name].itemsize} bytes for {name}", "another number of them")
    return str(np.frombuffer(held, STORAGE[name])[0])


def ordered_dict(arguments: tuple[object, ...]) -> dict[object, object]:
    """``OrderedDict()``: a dict keeps its order too."""
    if arguments:
        raise RuleError("OrderedDict()", "OrderedDict with arguments")
    return {}


NAMES = frozenset({_NDARRAY})
CALLS: Mapping[Global, Call] = MappingProxyType(
    {
        Global("numpy", "dtype"): _dtype,
        Global("_codecs", "encode"): _encoded,
        Global("collections", "OrderedDict"): ordered_dict,
        **{Global(module, "bytes"): _no_bytes for module in ("builtins", "__builtin__")},
        **{
            Global(f"numpy.{core}.{module}", name): call
            for core in ("core", "_core")
            for module, name, call in (
                ("multiarray", "_reconstruct", _reconstruct),
                ("multiarray", "scalar", _scalar),
                ("numeric", "_frombuffer", _from_buffer),
            )
        },
    }
)
BUILDS: Mapping[type, Build] = MappingProxyType({Dtype: _dtype_with_order, EmptyArray: _array_with_state})
