"""What PyTorch's pickles hold besides dense tensors: plain values, told in words, and what we cannot follow.

The plain values are those that ``torch.load(weights_only=True)`` takes too (torch/_weights_only_unpickler.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from xframe.checkpoints.pickles.symbolic import Call, Global, Payload, RuleError
from xframe.checkpoints.shapes import is_shape
from xframe.tensors import STORAGE

SAVE_AGAIN = "load it in PyTorch and torch.save its state_dict() again"
_IN_FLOAT32 = "save x.to(torch.float32), which holds the same numbers"
_AS_BYTES = "save x.view(torch.uint8), which holds the same bits"
_NESTED = "save its parts, not a nested tensor"
_ON_CPU = "save x.cpu()"


@dataclass(frozen=True, slots=True)
class Plain:
    """A value that is no tensor, in words."""

    words: str

    def __str__(self) -> str:
        return self.words


def _size(arguments: tuple[object, ...]) -> tuple[object, ...]:
    match arguments:
        case (tuple() as lengths,) if is_shape(lengths):
            return lengths
    raise RuleError("torch.Size(lengths)", "other arguments")


def _device(arguments: tuple[object, ...]) -> Plain:
    match arguments:
        case (str(kind),):
            return Plain(kind)
        case (str(kind), int(index)):
            return Plain(f"{kind}:{index}")
    raise RuleError("torch.device(kind, index)", "other arguments")


def _layout(arguments: tuple[object, ...]) -> Plain:
    match arguments:
        case (str(name),):
            return Plain(name)
    raise RuleError("a layout's name", "other arguments")


def _complex(arguments: tuple[object, ...]) -> Plain:
    match arguments:
        case (float(real), float(imaginary)):
            return Plain(str(complex(real, imaginary)))
    raise RuleError("complex(real, imaginary)", "other arguments")


def _set(arguments: tuple[object, ...]) -> Plain:
    match arguments:
        case (list() as items,):
            return Plain(f"a set of {len(items)}")
    raise RuleError("set(items)", "other arguments")


def _bytearray(arguments: tuple[object, ...]) -> Plain:
    match arguments:
        case ():
            return Plain("0 bytes")
        case (bytes() as data,):
            return Plain(f"{len(data)} bytes")
        case (Payload(length=length),):
            return Plain(f"{length} bytes")
    raise RuleError("bytearray(bytes)", "other arguments")


def _counter(arguments: tuple[object, ...]) -> dict[object, object]:
    """``collections.Counter(counts)``: a schedule's milestones, for one."""
    match arguments:
        case (dict() as counts,):
            return counts
    raise RuleError("Counter(counts)", "other arguments")


def _ordered_dict(arguments: tuple[object, ...]) -> dict[object, object]:
    """``OrderedDict()``, or ``OrderedDict([[key, value] …])`` as Python 2 pickled it. A dict keeps its order too."""
    match arguments:
        case ():
            return {}
        case (list() as pairs,):
            return _from_pairs(pairs)
    raise RuleError("OrderedDict() or OrderedDict(pairs)", "OrderedDict with other arguments")


def _from_pairs(pairs: list[object]) -> dict[object, object]:
    found: dict[object, object] = {}
    for pair in pairs:
        match pair:
            case [str() | int() as key, value] if key not in found:
                found[key] = value
            case _:
                raise RuleError("pairs of a key and a value, every key once", "something else")
    if found:
        pairs[:] = [Plain("items of a dict")]  # spent: a small file could make large dicts of one list, over and over
    return found


_BUILTINS = ("builtins", "__builtin__")
CALLS: Mapping[Global, Call] = MappingProxyType(
    {
        Global("collections", "OrderedDict"): _ordered_dict,
        Global("collections", "Counter"): _counter,
        Global("torch", "Size"): _size,
        Global("torch", "device"): _device,
        Global("torch.serialization", "_get_layout"): _layout,
        **{
            Global(module, name): call
            for module in _BUILTINS
            for name, call in (("complex", _complex), ("set", _set), ("bytearray", _bytearray))
        },
    }
)
# dtypes that neither numpy nor another framework has, each with what to save instead
UNKNOWN_DTYPES: Mapping[Global, str] = MappingProxyType(
    {
        Global("torch", "complex32"): "save x.to(torch.complex64), which holds the same numbers",
        **{Global("torch", f"float8_{kind}"): _IN_FLOAT32 for kind in ("e4m3fnuz", "e5m2fnuz", "e8m0fnu")},
        **{
            Global("torch", name): _AS_BYTES
            for name in ("float4_e2m1fn_x2", "bits8", "bits16", "bits1x8", "bits2x4", "bits4x2")
        },
    }
)
DTYPES: Mapping[Global, str] = MappingProxyType({Global("torch", name): name for name in STORAGE})
NAMES = frozenset({*DTYPES, *UNKNOWN_DTYPES})
FOREIGN: Mapping[Global, str] = MappingProxyType(
    {
        Global("torch._utils", "_rebuild_sparse_tensor"): "save x.to_dense(), not a sparse tensor",
        Global("torch._utils", "_rebuild_qtensor"): "save x.dequantize(), not a quantised tensor",
        Global("torch._utils", "_rebuild_meta_tensor_no_storage"): "save a tensor that has values",
        Global("torch._utils", "_rebuild_nested_tensor"): _NESTED,
        Global("torch.nested._internal.nested_tensor", "_rebuild_njt"): _NESTED,
        Global("torch._utils", "_rebuild_wrapper_subclass"): "save plain tensors, not ones that wrap others",
        Global("torch._utils", "_rebuild_device_tensor_from_numpy"): _ON_CPU,
        Global("torch._utils", "_rebuild_device_tensor_from_cpu_tensor"): _ON_CPU,
        Global("torch._utils", "_rebuild_xla_tensor"): _ON_CPU,
        Global("torch.distributed.tensor", "DTensor"): "save x.full_tensor()",
        Global("torch.nn.parameter", "Parameter"): SAVE_AGAIN,  # of PyTorch before 0.4
        Global("torch.autograd.variable", "Variable"): SAVE_AGAIN,
    }
)
