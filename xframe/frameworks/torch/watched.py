"""TorchScript whose layers can be watched: hooks are for Python modules, so the calls in the graphs are told instead.

Around every call of a module's ``forward`` operators of ours are put into the graph: they tell what the layer reads and
gives, and may give other tensors from then on. The graph stays TorchScript's, and TorchScript's interpreter runs it,
without its optimizations. Layers of one class share a graph, so a call knows only
its name within its caller; the stack of calls makes that a path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import torch

from xframe.frameworks import Visit

_CALL, _ATTRIBUTE, _CONSTANT = "prim::CallMethod", "prim::GetAttr", "prim::Constant"
_NUMBERS = {torch.float32: 6, torch.float64: 7}  # c10/core/ScalarType.h
_TENSOR, _TEXT, _INT = (kind.get() for kind in (torch._C.TensorType, torch._C.StringType, torch._C.IntType))  # noqa: SLF001
_FORWARD = "forward"  # also forward__0 and so on, where a module has several


@dataclass(slots=True)
class _Call:
    """One call under way. ``left`` counts the tensors that are still to come of it."""

    layer: str
    reads: list[torch.Tensor] = field(default_factory=list)
    gave: list[torch.Tensor] = field(default_factory=list)


@dataclass(slots=True)
class _Listener:
    """What the operators tell; nobody listens unless a run asks for layers."""

    taps: frozenset[str] = frozenset()
    visit: Visit | None = None
    calls: list[_Call] = field(default_factory=list)
    instead: list[torch.Tensor] | None = None
    floating: torch.dtype = torch.float32

    def enter(self, name: str) -> None:
        above = f"{self.calls[-1].layer}." if self.calls else ""
        self.calls.append(_Call(above + name))

    def read(self, x: torch.Tensor) -> torch.Tensor:
        if self.calls:
            self.calls[-1].reads.append(x)
        return x

    def gave(self, x: torch.Tensor) -> torch.Tensor:
        if self.calls:
            self.calls[-1].gave.append(x)
        return x

    def leave(self) -> None:
        """The call's end: what it gave is shown, and what is to be given instead waits for ``given``."""
        call = self.calls.pop()
        self.instead = call.gave
        if self.visit is None or call.layer not in self.taps:
            return
        shown = [tensor.detach().numpy() for tensor in call.gave]
        put = self.visit(call.layer, lambda: [tensor.detach().numpy() for tensor in call.reads], shown)
        if put is not None:
            self.instead = [torch.tensor(array) for array in put]

    def given(self, x: torch.Tensor, part: int) -> torch.Tensor:
        return x if self.instead is None else self.instead[part]

    def dtype(self, said: int) -> int:
        """A dtype by TorchScript's number: where the graph says float32, that of the run."""
        return _NUMBERS[self.floating] if said == _NUMBERS[torch.float32] else said

    def constant(self, x: torch.Tensor) -> torch.Tensor:
        return x.to(self.floating) if x.dtype == torch.float32 else x


_listener = _Listener()
_operators: list[torch.library.Library] = []  # they live as long as this does


def define() -> None:
    """Make the operators known to TorchScript; twice does no harm.

    All of them read or write ``Tensor(a!)``, a token, so that none is left out, merged or moved.
    """
    if _operators:
        return
    library = torch.library.Library("xframe", "DEF")
    _operators.append(library)
    for schema, does in (
        ("enter(Tensor(a!) token, str name) -> ()", lambda _, name: _listener.enter(name)),
        ("read(Tensor(a!) token, Tensor(b) x) -> Tensor(b)", lambda _, x: _listener.read(x)),
        ("gave(Tensor(a!) token, Tensor(b) x) -> Tensor(b)", lambda _, x: _listener.gave(x)),
        ("leave(Tensor(a!) token) -> ()", lambda _: _listener.leave()),
        ("given(Tensor(a!) token, Tensor(b) x, int part) -> Tensor(b)", lambda _, x, part: _listener.given(x, part)),
        ("dtype(Tensor(a!) token, int said) -> int", lambda _, said: _listener.dtype(said)),
        ("constant(Tensor(a!) token, Tensor(b) x) -> Tensor(b)", lambda _, x: _listener.constant(x)),
    ):
        library.define(schema)
        library.impl(schema.partition("(")[0], does, "CompositeImplicitAutograd")


@contextmanager
def listening(dtype: str, taps: Sequence[str] = (), visit: Visit | None = None) -> Iterator[None]:
    """``visit`` hears of the layers ``taps`` until the end; what the graphs make in float32 is made in ``dtype``."""
    _listener.taps, _listener.visit, _listener.floating = frozenset(taps), visit, getattr(torch, dtype)
    _listener.calls.clear()
    try:
        with torch.jit.optimized_execution(False):  # fused kernels round otherwise, and only from the second run on
            yield
    finally:
        _listener.taps, _listener.visit, _listener.instead = frozenset(), None, None
        _listener.floating = torch.float32
        _listener.calls.clear()


def watch(model: torch.jit.ScriptModule) -> None:
    """Put the operators into every graph of a model that has not run yet."""
    define()
    for graph in graphs(model):
        for node in list(nodes(graph)):
            name = _called(graph, node)
            if name:
                _Telling(graph, node).tell(name)
            _widen(graph, node)


def callable_layers(model: torch.jit.ScriptModule) -> dict[str, torch.jit.ScriptModule]:
    """By name, the modules that have a ``forward``; a list of layers has none."""
    return {
        name: module
        for name, module in model.named_modules()
        if name and any(method.startswith(_FORWARD) for method in module._c._method_names())  # noqa: SLF001
    }


def graphs(model: torch.jit.ScriptModule) -> Iterator[Any]:
    """The graph of each method, once for all modules of a class."""
    seen = set()
    for module in model.modules():
        kind = str(module._c._type())  # noqa: SLF001 - no public name leads to a module's graphs
        if kind not in seen:
            seen.add(kind)
            yield from (module._c._get_method(name).graph for name in module._c._method_names())  # noqa: SLF001


def nodes(block: Any) -> Iterator[Any]:
    """All nodes, those of the blocks within too."""
    for node in list(block.nodes()):
        yield node
        for inner in node.blocks():
            yield from nodes(inner)


def said(node: Any, *arguments: str) -> Iterator[tuple[int, Any]]:
    """Which inputs of a node are constants under one of these names of its schema, and their values."""
    schema = node.schema()
    if not schema.startswith("aten::"):
        return
    named = [argument.name for argument in torch._C.parse_schema(schema).arguments]  # noqa: SLF001
    for index, (name, value) in enumerate(zip(named, node.inputs(), strict=False)):
        if name in arguments and value.node().kind() == _CONSTANT:
            yield index, value.toIValue()


def _widen(graph: Any, node: Any) -> None:
    """What tracing wrote down as float32 is what the run computes in: dtypes asked for, and tensors kept or made.

    A tensor that is made, by zeros or full, is made in float32 and widened: its numbers are the file's.
    """
    telling = _Telling(graph, node)
    asked = [index for index, value in said(node, "dtype") if value == _NUMBERS[torch.float32]]
    for index in asked if _of_a_tensor(node) else ():
        number = list(node.inputs())[index]
        node.replaceInput(index, telling.before("xframe::dtype", [telling.token(), number], _INT))
    kept = node.output().toIValue() if node.kind() == _CONSTANT else None
    if (isinstance(kept, torch.Tensor) and kept.dtype == torch.float32) or (asked and not _of_a_tensor(node)):
        put = telling.after("xframe::constant", [telling.token(), node.output()], node.output().type())
        node.output().replaceAllUsesAfterNodeWith(put.node(), put)


def _of_a_tensor(node: Any) -> bool:
    first = next(node.inputs(), None)
    return first is not None and first.type().kind() == "TensorType"


def _called(graph: Any, node: Any) -> str:
    """The name, within its caller, of the module whose ``forward`` a node calls; "" for any other node."""
    if node.kind() != _CALL or not node.s("name").startswith(_FORWARD):
        return ""
    value, names = next(node.inputs()), []
    own = next(graph.inputs()).debugName()
    while value.debugName() != own:
        if value.node().kind() != _ATTRIBUTE:
            return ""
        names.append(value.node().s("name"))
        value = next(value.node().inputs())
    return ".".join(reversed(names))


class _Telling:
    """The operators around one call."""

    def __init__(self, graph: Any, call: Any) -> None:
        self._graph, self._call = graph, call
        self._last = call  # what comes after the call is put behind this

    def tell(self, name: str) -> None:
        token = self.token()
        text = self.before(_CONSTANT, [], _TEXT)
        text.node().s_("value", name)
        self.before("xframe::enter", [token, text])
        for index, value in list(enumerate(self._call.inputs()))[1:]:
            if value.type().kind() == "TensorType":
                self._call.replaceInput(index, self.before("xframe::read", [token, value], value.type()))
        outputs = [(output, self._apart(output)) for output in self._call.outputs()]
        gave = [tensor for _, parts in outputs for tensor in _leaves(parts)]
        for value in gave:
            self.after("xframe::gave", [token, value], value.type())
        self.after("xframe::leave", [token])
        numbers = count()
        for output, parts in outputs:
            put = self._given(token, parts, numbers)
            if put is not output:
                output.replaceAllUsesAfterNodeWith(self._last, put)

    def token(self) -> Any:
        """What the operators seem to write to: whole numbers, so that no dtype of it is anyone's concern."""
        token = self.before(_CONSTANT, [], _TENSOR)
        token.node().t_("value", torch.zeros(1, dtype=torch.int64))
        return token

    def _apart(self, output: Any) -> Any:
        """An output, a tuple as itself and its parts, so that its tensors can be other ones."""
        if output.type().kind() != "TupleType":
            return output
        kinds = output.type().elements()
        apart = self._graph.create("prim::TupleUnpack", [output], len(kinds))
        self._insert_after(apart)
        parts = list(apart.outputs())
        for part, kind in zip(parts, kinds, strict=True):
            part.setType(kind)
        return output, [self._apart(part) for part in parts]

    def _given(self, token: Any, parts: Any, numbers: Iterator[int]) -> Any:
        """What ``given`` gives for each tensor, nested as the output was."""
        if isinstance(parts, tuple):
            output, inner = parts
            return self.after(
                "prim::TupleConstruct", [self._given(token, part, numbers) for part in inner], output.type()
            )
        if parts.type().kind() != "TensorType":
            return parts
        number = self.after(_CONSTANT, [], _INT)
        number.node().i_("value", next(numbers))
        return self.after("xframe::given", [token, parts, number], parts.type())

    def before(self, kind: str, inputs: Sequence[Any], gives: Any = None) -> Any:
        return self._node(kind, inputs, gives, lambda node: node.insertBefore(self._call))

    def after(self, kind: str, inputs: Sequence[Any], gives: Any = None) -> Any:
        return self._node(kind, inputs, gives, self._insert_after)

    def _insert_after(self, node: Any) -> None:
        node.insertAfter(self._last)
        self._last = node

    def _node(self, kind: str, inputs: Sequence[Any], gives: Any, insert: Any) -> Any:
        node = self._graph.create(kind, list(inputs), 0 if gives is None else 1)
        insert(node)
        if gives is None:
            return None
        node.output().setType(gives)
        return node.output()


def _leaves(parts: Any) -> Iterator[Any]:
    if isinstance(parts, tuple):
        for part in parts[1]:
            yield from _leaves(part)
    elif parts.type().kind() == "TensorType":
        yield parts
