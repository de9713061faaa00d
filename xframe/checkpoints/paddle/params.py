"""Paddle's .pdparams and .pdopt: a pickle of numpy arrays, read without pickle and written without Paddle.

uint16 in such a file is bfloat16, whoever wrote it. Paddle 3.3.1 lists a dtype uint16, but ``paddle.to_tensor`` and
``paddle.load`` make bfloat16 of every uint16 array, ``astype`` to uint16 gives bfloat16, no kernel fills a tensor of
uint16, and ``paddle.save`` stores bfloat16 as uint16. float8 is stored as int8 and comes back as such: its dtype is
lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import Checkpoint, Glance, Outgoing, StoredTensor
from xframe.checkpoints.paddle import chunks
from xframe.checkpoints.paddle.chunks import ChunkedArray
from xframe.checkpoints.pickles import arrays
from xframe.checkpoints.pickles import spelling as op
from xframe.checkpoints.pickles.arrays import PickledArray
from xframe.checkpoints.pickles.symbolic import Call, Global, RuleError, Rules, UnsafeCallError, interpret
from xframe.checkpoints.pouring import Layout, Slot
from xframe.checkpoints.refusals import refusal, shown
from xframe.checkpoints.tree import Flat, flatten
from xframe.errors import UsageError
from xframe.tensors import STORAGE

_NAME_TABLE = "StructuredToParameterName@@"
_ALIGNMENT = 64
# A pickle of protocol 2 or later says so first; one of protocol 0 that starts with a global is taken too, to be refused
# by that global's name.
_PICKLE = re.compile(rb"\x80[\x02-\x05](?!(?:\x95\r\0{7})?\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19)|c[\w.]+\n[\w.]+\n")
# Paddle has no unsigned integers wider than 8 bits, reads uint16 as bfloat16, and writes float8 as int8.
_UNWRITABLE = frozenset({"uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2"})
_RESERVED = frozenset({_NAME_TABLE, chunks.TABLE})


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
        tree, notes = _with_names(tree, str(path))
        if isinstance(tree, dict):
            if tree.pop(_NAME_TABLE, None) is not None:
                notes.append(f"left out: {_NAME_TABLE}, Paddle's table of parameter names")
            chunks.join(tree, str(path))
        flat: Flat[PickledArray | ChunkedArray] = flatten(tree, _array_of, str(path))
        tensors = {name: _as_paddle_reads(array.stored(name, path)) for name, array in flat.tensors.items()}
        for tensor in tensors.values():
            if tensor.extent is None:
                budget.check(f"{path}: {shown(tensor.spec.name)}", tensor.spec.nbytes)
        return Checkpoint(
            path=path, format=self.name, tensors=tensors, notes=(*notes, *flat.notes), metadata=flat.metadata,
            branches=flat.branches,
        )  # fmt: skip

    def layout(self, tensors: Sequence[Outgoing]) -> Layout:
        """A pickle of protocol 4 that ``paddle.load`` reads, under numpy 1 and 2; payloads at multiples of 64."""
        self.check(tensors)
        pieces, slots, position, before = [], [], 0, op.proto(4) + op.EMPTY_DICT + op.MARK
        for tensor in tensors:
            opening = before + _before_payload(tensor, position + len(before))
            pieces.append((position, opening))
            slots.append(Slot(position + len(opening), tensor))
            position += len(opening) + tensor.spec.nbytes
            before = op.TUPLE + op.BUILD
        pieces.append((position, before + op.SETITEMS + op.STOP))
        return Layout(pieces=pieces, slots=slots)

    def check(self, tensors: Sequence[Outgoing]) -> None:
        """Raises UsageError for a dtype or a name that Paddle would read as something else."""
        for tensor in tensors:
            if tensor.spec.dtype in _UNWRITABLE:
                raise UsageError(
                    f"{tensor.spec.name}: expected a dtype that paddle.load gives back; found {tensor.spec.dtype}. "
                    "Try: write .safetensors instead."
                )
            if tensor.spec.name in _RESERVED:
                raise UsageError(
                    f"expected a name that paddle.load gives back; found {tensor.spec.name}, "
                    "where Paddle keeps a table of its own. Try: write .safetensors instead."
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


def _with_names(tree: object, place: str) -> tuple[object, list[str]]:
    """``paddle.save`` of a tensor or a list of tensors as a dict, and a note on where its names are from."""
    match tree:
        case (str() as name, PickledArray()):
            return {name: tree}, [f"one tensor, named {shown(name)} by Paddle itself"]
        case PickledArray():
            attempt = "paddle.save a dict with its name"
            raise refusal(place, expected="tensors by name", found="one array without a name", attempt=attempt)
        case list() | tuple() if any(_array_of(item) is not None for item in tree):
            return dict(enumerate(tree)), ["a list of tensors, named by their places in it"]
    return tree, []


def _as_paddle_reads(tensor: StoredTensor) -> StoredTensor:
    return tensor.as_dtype("bfloat16") if tensor.spec.dtype == "uint16" else tensor


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
