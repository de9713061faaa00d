"""What PyTorch's pickles may say, and how to say it.

Tensors are ``torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks, metadata?)``, or
``_v3``, which adds a dtype over a storage without one, or ``_rebuild_tensor(storage, offset, size, stride)`` of before
0.4; storages are persistent ids ``('storage', class, key, location, numel)``. Offset and stride count elements; numel
counts elements too, but bytes where the storage has no dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from xframe.checkpoints.pickles import arrays
from xframe.checkpoints.pickles import spelling as op
from xframe.checkpoints.pickles.symbolic import Build, Call, Global, RuleError, Rules
from xframe.checkpoints.refusals import shown
from xframe.checkpoints.shapes import is_length, is_shape
from xframe.checkpoints.torch import values
from xframe.tensors import STORAGE, TensorSpec

_STORAGES = {
    "BoolStorage": "bool", "ByteStorage": "uint8", "CharStorage": "int8", "ShortStorage": "int16",
    "IntStorage": "int32", "LongStorage": "int64", "HalfStorage": "float16", "FloatStorage": "float32",
    "DoubleStorage": "float64", "BFloat16Storage": "bfloat16", "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}  # fmt: skip
_TYPED = {Global("torch", name): dtype for name, dtype in _STORAGES.items()}
_UNTYPED = Global("torch.storage", "UntypedStorage")
_CLASS_OF = {dtype: function for function, dtype in _TYPED.items()}
_V1 = Global("torch._utils", "_rebuild_tensor")
_V2 = Global("torch._utils", "_rebuild_tensor_v2")
_V3 = Global("torch._utils", "_rebuild_tensor_v3")
_PLAIN = "save x.detach().as_subclass(torch.Tensor), without attributes"
_RESOLVE = "save x.resolve_conj().resolve_neg()"
_ORDERED_DICT = Global("collections", "OrderedDict")
_TENSOR = Global("torch", "Tensor")
_OF_A_BUFFER = frozenset({"_is_buffer", "persistent"})
_MOST_NAMED, _MOST_ATTRIBUTES = 8, 64
_IF_TRUSTED = "if you trust its source, load it in PyTorch and torch.save its state_dict() of plain tensors"


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage: the key of its record, its dtype ('' if it has none), its size in bytes."""

    key: str
    dtype: str
    nbytes: int

    @property
    def width(self) -> int:
        """Bytes of an element, 1 if the storage has no dtype."""
        return STORAGE[self.dtype].itemsize if self.dtype else 1

    def __str__(self) -> str:
        return f"a storage of {self.nbytes} bytes"


@dataclass(frozen=True, slots=True)
class PickledTensor:
    """A tensor over a storage; ``offset`` and ``strides`` in bytes; ``attributes`` are Python ones, left out."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str
    attributes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"a tensor, {self.dtype}{list(self.shape)}"


def as_tensor(value: object) -> PickledTensor | None:
    """The tensor, if a value is one."""
    return value if isinstance(value, PickledTensor) else None


def notes_on(tensors: Mapping[str, PickledTensor]) -> tuple[str, ...]:
    """Says which tensors had Python attributes, which no state dict brings to a model."""
    found = [f"{shown(name)} ({', '.join(it.attributes)})" for name, it in tensors.items() if it.attributes]
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return (f"left out, Python attributes of tensors: {', '.join(found[:_MOST_NAMED])}{more}",) if found else ()


def storage_of(identifier: object) -> Storage:
    """The storage that a persistent id of a zip file stands for. Raises RuleError for any other."""
    match identifier:
        case ("storage", Global() as kind, str(key), str(), numel) if is_length(numel):
            if kind == _UNTYPED:
                return Storage(key, "", numel)
            if kind in _TYPED:
                return Storage(key, _TYPED[kind], numel * STORAGE[_TYPED[kind]].itemsize)
    raise RuleError("('storage', a class of torch, key, location, numel)", "another persistent id")


def _rebuild_v1(arguments: tuple[object, ...]) -> PickledTensor:
    match arguments:
        case (Storage(dtype=str(dtype)) as storage, offset, size, stride) if dtype:
            return _tensor(storage, offset, size, stride, dtype)
    raise RuleError("_rebuild_tensor(storage, offset, size, stride)", "other arguments")


def _rebuild_v2(arguments: tuple[object, ...]) -> PickledTensor:
    match arguments:  # PyTorch 0.4 wrote the hooks as they were: None where there were none (its torch/tensor.py)
        case (Storage(dtype=str(dtype)) as it, offset, size, stride, bool(), dict() | None as hooks, *more) if dtype:
            _check_rest(hooks or {}, more)
            return _tensor(it, offset, size, stride, dtype)
    raise RuleError("_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)", "other arguments")


def _rebuild_v3(arguments: tuple[object, ...]) -> PickledTensor:
    match arguments:
        case (Storage() as storage, offset, size, stride, bool(), dict() as hooks, Global() as kind, *more):
            if kind in values.UNKNOWN_DTYPES:
                raise RuleError("a dtype that other frameworks have too", str(kind), values.UNKNOWN_DTYPES[kind])
            if kind in values.DTYPES:
                _check_rest(hooks, more)
                return _tensor(storage, offset, size, stride, values.DTYPES[kind])
    raise RuleError("_rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype)", "other arguments")


def _check_rest(hooks: dict[object, object], metadata: Sequence[object]) -> None:
    """Hooks are code, and metadata says that the bytes are to be conjugated or negated: neither may be overlooked."""
    if hooks:
        raise RuleError("no backward hooks", "some")
    if len(metadata) > 1 or any(metadata):
        raise RuleError("a tensor whose bytes are its values", "a lazily conjugated or negated one", _RESOLVE)


def _tensor(storage: Storage, offset: object, size: object, stride: object, dtype: str) -> PickledTensor:
    width = STORAGE[dtype].itemsize
    if not is_length(offset) or not is_shape(size):
        raise RuleError("an offset and a size", "something else, or more than any memory holds")
    if not (
        type(stride) is tuple
        and len(stride) == len(size)
        and all(type(step) is int and is_length(step * width) for step in stride)
    ):
        raise RuleError("a stride of 0 or more for every axis", "another")
    reach = (offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True)) + 1) * width
    if 0 not in size and reach > storage.nbytes:
        raise RuleError(
            f"a tensor within the {storage.nbytes} bytes of storage {shown(storage.key)}", f"one of {reach}"
        )
    return PickledTensor(storage, offset * width, size, tuple(step * width for step in stride), dtype)


def _parameter(arguments: tuple[object, ...]) -> PickledTensor:
    match arguments:
        case (PickledTensor() as tensor, bool(), dict() as hooks):
            _check_rest(hooks, ())
            return tensor
    raise RuleError("_rebuild_parameter(tensor, requires_grad, hooks)", "other arguments")


def _parameter_with_state(arguments: tuple[object, ...]) -> PickledTensor:
    match arguments:
        case (PickledTensor(), bool(), dict(), state):
            return replace(_parameter(arguments[:-1]), attributes=_attributes(state))
    raise RuleError("_rebuild_parameter_with_state(tensor, requires_grad, hooks, state)", "other arguments")


def _from_type(arguments: tuple[object, ...]) -> PickledTensor:
    """A tensor with Python attributes, as a buffer is; of no class of the user's."""
    match arguments:
        case (Global() as function, Global() as kind, tuple() as inner, state) if kind == _TENSOR:
            if function in _TENSORS:
                return replace(_TENSORS[function](inner), attributes=_attributes(state))
    raise RuleError("_rebuild_from_type_v2(function, torch.Tensor, arguments, state)", "other arguments", _PLAIN)


def _attributes(state: object) -> tuple[str, ...]:
    """The names of the attributes in an object's state: a dict, or that and another for its slots."""
    match state:
        case None | dict():
            parts = [state]
        case (None | dict() as own, None | dict() as slots):
            parts = [own, slots]
        case _:
            raise RuleError("a tensor's attributes by name", "something else")
    if sum(len(part or ()) for part in parts) > _MOST_ATTRIBUTES:
        raise RuleError(f"at most {_MOST_ATTRIBUTES} attributes of a tensor", "more", _PLAIN)
    names = [shown(name) for part in parts for name in part or ()]
    return tuple(name for name in names if name not in _OF_A_BUFFER)


def _with_metadata(target: object, state: object) -> object:
    """``OrderedDict.__setstate__``: a state dict carries the versions of its modules as ``_metadata``."""
    match state:
        case {"_metadata": dict(), **others} if not others:
            return target
    raise RuleError("BUILD of a dict with _metadata alone", "BUILD with another state")


_TENSORS: Mapping[Global, Callable[[tuple[object, ...]], PickledTensor]] = MappingProxyType(
    {_V1: _rebuild_v1, _V2: _rebuild_v2, _V3: _rebuild_v3}
)
_CALLS: Mapping[Global, Call] = MappingProxyType(
    {
        **arrays.CALLS,
        **values.CALLS,
        **_TENSORS,
        Global("torch._utils", "_rebuild_parameter"): _parameter,
        Global("torch._utils", "_rebuild_parameter_with_state"): _parameter_with_state,
        Global("torch._tensor", "_rebuild_from_type_v2"): _from_type,
    }
)
_BUILDS: Mapping[type, Build] = MappingProxyType({**arrays.BUILDS, dict: _with_metadata})
RULES = Rules(
    names=frozenset({*_TYPED, _UNTYPED, _TENSOR, *values.NAMES, *arrays.NAMES}),
    calls=_CALLS,
    builds=_BUILDS,
    foreign=values.FOREIGN,
    persistent=storage_of,
    attempt=_IF_TRUSTED,
)


def pickled_state_dict(specs: Sequence[TensorSpec]) -> bytes:
    """``data.pkl`` for an OrderedDict of dense tensors, the i-th over the storage with key ``i``."""
    entries = (op.text(spec.name) + _pickled(spec, str(key)) for key, spec in enumerate(specs))
    return op.proto(2) + _EMPTY_ORDERED_DICT + op.MARK + b"".join(entries) + op.SETITEMS + op.STOP


_EMPTY_ORDERED_DICT = op.global_(_ORDERED_DICT.module, _ORDERED_DICT.name) + op.tuple_() + op.REDUCE


def _pickled(spec: TensorSpec, key: str) -> bytes:
    """A call of ``_rebuild_tensor_v2``, or of ``_v3`` for the dtypes that no storage class is named after."""
    typed = spec.dtype in _CLASS_OF
    kind = _CLASS_OF.get(spec.dtype, _UNTYPED)
    numel = spec.numel if typed else spec.nbytes
    storage = op.tuple_(
        op.text("storage"), op.global_(kind.module, kind.name), op.text(key), op.text("cpu"), op.integer(numel)
    )
    function = _V2 if typed else _V3
    layout = (op.integer(0), op.integers(spec.shape), op.integers(_strides(spec.shape)))
    dtype = () if typed else (op.global_("torch", spec.dtype),)
    arguments = op.tuple_(storage + op.BINPERSID, *layout, op.FALSE, _EMPTY_ORDERED_DICT, *dtype)
    return op.global_(function.module, function.name) + arguments + op.REDUCE


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of a dense tensor in elements, as PyTorch counts them: an axis of length 0 counts as one of length 1."""
    strides = []
    step = 1
    for length in reversed(shape):
        strides.append(step)
        step *= max(length, 1)
    return tuple(reversed(strides))
