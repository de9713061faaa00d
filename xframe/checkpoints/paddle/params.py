"""Paddle's .pdparams and .pdopt: a pickle of numpy arrays, read without pickle and written without Paddle.

Paddle stores bfloat16 as uint16 and float8 as int8. uint16 is read as uint16, with a note: ``Checkpoint.as_dtype`` says
otherwise where the model knows better.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from xframe.checkpoints.bits import write_bytes
from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import Checkpoint, Glance, Outgoing
from xframe.checkpoints.paddle import chunks
from xframe.checkpoints.paddle.chunks import ChunkedArray
from xframe.checkpoints.pickles import arrays
from xframe.checkpoints.pickles import spelling as op
from xframe.checkpoints.pickles.arrays import PickledArray
from xframe.checkpoints.pickles.symbolic import Call, Global, RuleError, Rules, UnsafeCallError, interpret
from xframe.checkpoints.refusals import shown
from xframe.checkpoints.tree import Flat, flatten
from xframe.errors import UsageError
from xframe.tensors import STORAGE

_NAME_TABLE = "StructuredToParameterName@@"
_ALIGNMENT = 64
# A pickle of protocol 2 or later says so first; one of protocol 0 that starts with a global is taken too, to be refused
# by that global's name.
_PICKLE = re.compile(rb"\x80[\x02-\x05](?!\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19)|c[\w.]+\n[\w.]+\n")
# Paddle has no unsigned integers wider than 8 bits, reads uint16 as bfloat16, and writes float8 as int8.
_UNWRITABLE = frozenset({"uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2"})


class PaddlePickle:
    """The format of ``paddle.save(layer.state_dict(), path)``."""

    name = "paddle"
    extensions: tuple[str, ...] = (".pdparams", ".pdopt")

    def matches(self, glance: Glance) -> bool:
        """A pickle of protocol 2 to 5 that does not start with the magic number of PyTorch's old format."""
        return _PICKLE.match(glance.head) is not None

    def read(self, path: Path, budget: Budget) -> Checkpoint:
        """Names, shapes and places of all arrays, nested ones under dotted names."""
        with path.open("rb") as file:
            tree = interpret(file, path.stat().st_size, RULES, str(path))
        notes = []
        if isinstance(tree, dict):
            if tree.pop(_NAME_TABLE, None) is not None:
                notes.append(f"left out: {_NAME_TABLE}, Paddle's table of parameter names")
            chunks.join(tree, str(path))
        flat: Flat[PickledArray | ChunkedArray] = flatten(tree, _array_of, str(path))
        tensors = {name: array.stored(name, path) for name, array in flat.tensors.items()}
        for tensor in tensors.values():
            if tensor.extent is None:
                budget.check(f"{path}: {shown(tensor.spec.name)}", tensor.spec.nbytes)
        if any(tensor.spec.dtype == "uint16" for tensor in tensors.values()):
            notes.append("uint16 may mean bfloat16: Paddle stores that as uint16")
        return Checkpoint(path=path, format=self.name, tensors=tensors, notes=(*notes, *flat.notes))

    def write(self, file: BinaryIO, tensors: Sequence[Outgoing]) -> None:
        """A pickle of protocol 4 that ``paddle.load`` reads, under numpy 1 and 2; payloads at multiples of 64."""
        self.check(tensors)
        file.write(op.proto(4) + op.EMPTY_DICT + op.MARK)
        for tensor in tensors:
            file.write(_before_payload(tensor, file.tell()))
            write_bytes(file, tensor)
            file.write(op.TUPLE + op.BUILD)
        file.write(op.SETITEMS + op.STOP)

    def check(self, tensors: Sequence[Outgoing]) -> None:
        """Raises UsageError if Paddle would read one of the tensors as something else."""
        for tensor in tensors:
            if tensor.spec.dtype in _UNWRITABLE:
                raise UsageError(
                    f"{tensor.spec.name}: expected a dtype that paddle.load gives back; found {tensor.spec.dtype}. "
                    "Try: write .safetensors instead."
                )


def _before_payload(tensor: Outgoing, position: int) -> bytes:
    """Name and array up to its bytes, which start at a multiple of 64: the version number, 1, takes the padding."""
    unpadded = position + len(_prefix(tensor, 1))
    return _prefix(tensor, 1 + -unpadded % _ALIGNMENT)


def _prefix(tensor: Outgoing, version_width: int) -> bytes:
    """``ndarray.__reduce__`` in opcodes. ``numpy.core`` is the name that numpy 1 and numpy 2 both know."""
    spec = tensor.spec
    reconstruct = op.global_("numpy.core.multiarray", "_reconstruct")
    empty = op.tuple_(op.global_("numpy", "ndarray"), op.integers((0,)), b"C\x01b")
    state = op.integer(1, version_width) + op.integers(spec.shape) + _dtype(STORAGE[spec.dtype].str) + op.FALSE
    payload = op.binbytes8(spec.nbytes)
    return op.text(spec.name) + reconstruct + empty + op.REDUCE + op.MARK + state + payload


def _dtype(code: str) -> bytes:
    """``dtype.__reduce__`` in opcodes, for a code such as ``<f4`` or ``|b1``."""
    call = op.global_("numpy", "dtype") + op.tuple_(op.text(code[1:]), op.FALSE, op.TRUE) + op.REDUCE
    unset = op.integer(-1)
    state = op.tuple_(op.integer(3), op.text(code[0]), op.NONE, op.NONE, op.NONE, unset, unset, op.integer(0))
    return call + state + op.BUILD


def _array_of(value: object) -> PickledArray | ChunkedArray | None:
    """The array that a value stands for: itself, or ``(name, array)``, as Paddle stores tensors in nested objects."""
    match value:
        case (PickledArray() as array) | (str(), PickledArray() as array):
            return array
        case ChunkedArray() as array:
            return array
    return None


def _tuple(arguments: tuple[object, ...]) -> tuple[object, ...]:
    """``tuple((name, array))``: how Paddle pickles a Tensor."""
    match arguments:
        case ((str() as name, PickledArray() as array),):
            return name, array
    raise RuleError("tuple((name, array))", "other arguments")


def _eval(arguments: tuple[object, ...]) -> object:
    """``eval('data', {'data': array})``: how Paddle pickles a DenseTensor. It is matched, never run."""
    match arguments:
        case ("data", {"data": PickledArray() as array, **others}) if not others:
            return array
    raise UnsafeCallError("eval('data', {'data': array}), which means the array", "another eval, which was not run")


_BUILTINS = ("builtins", "__builtin__")
_CALLS: Mapping[Global, Call] = MappingProxyType(
    {
        **arrays.CALLS,
        **{Global(module, "tuple"): _tuple for module in _BUILTINS},
        **{Global(module, "eval"): _eval for module in _BUILTINS},
    }
)
RULES = Rules(
    names=arrays.NAMES,
    calls=_CALLS,
    builds=arrays.BUILDS,
    foreign=MappingProxyType({}),
)
