"""An ONNX graph computed in float64, node by node, by onnx's reference evaluator.

The graph's float32 numbers are widened. An attribute or a single constant, which ONNX keeps in float32, is read as it
was written: an epsilon of 1e-5 is 1e-5, not 9.99999974737875e-06, and the sixth of a hard sigmoid is 1/6.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from xframe.frameworks.onnx.operators import OPERATORS
from xframe.frameworks.onnx.recurrent import RECURRENT
from xframe.frameworks.onnx.resizing import Resize
from xframe.frameworks.onnx.written import as_written, written
from xframe.tensors import Array

_WIDE = {TensorProto.FLOAT: TensorProto.DOUBLE}
_DTYPE_ATTRIBUTES = ("to", "dtype")  # of Cast, RandomNormal, EyeLike …: an element type


@dataclass(frozen=True, slots=True)
class Computed:
    """One node that was computed, what it read, None for what it leaves out, and what it gave."""

    index: int
    node: Any
    read: tuple[Any, ...]
    gave: tuple[Any, ...]


class Exact:
    """A graph that computes in float64. ``instead`` are values for initialisers, by name: folds that no one rounded.

    Raises what the evaluator raises for operators that it does not know.
    """

    def __init__(self, model: onnx.ModelProto, instead: Mapping[str, Array] | None = None) -> None:
        wide = onnx.ModelProto()
        wide.CopyFrom(model)
        _widen(wide.graph)
        for function in wide.functions:
            _widen_nodes(function.node)
        self._evaluator = ReferenceEvaluator(wide, new_ops=[*OPERATORS, *RECURRENT, Resize])
        for name, values in (instead or {}).items():
            self._evaluator.rt_inits_[name] = values.astype(np.float64)
        self.operators = list(self._evaluator.rt_nodes_)
        for operator in self.operators:
            _read_as_written(operator)
        self.nodes = list(model.graph.node)
        self.inputs = list(self._evaluator.input_names)
        self.outputs = list(self._evaluator.output_names)

    @property
    def initialisers(self) -> Mapping[str, Array]:
        """As they are computed with."""
        held: Mapping[str, Array] = self._evaluator.rt_inits_
        return held

    def steps(self, inputs: Mapping[str, Array]) -> Iterator[Computed]:
        """Every node in the graph's order. A value goes as soon as no node reads it any more."""
        values: dict[str, Any] = {"": None, **self._evaluator.rt_inits_, **inputs}
        left = Counter(name for node in self.nodes for name in _reads(node))
        for index, (node, operator) in enumerate(zip(self.nodes, self.operators, strict=True)):
            read = tuple(values[name] for name in node.input)
            gave = self.compute(operator, read, values)
            values.update(zip(node.output, gave, strict=False))
            yield Computed(index, node, read, gave)
            left.subtract(_reads(node))
            for name in {*_reads(node), *node.output}:
                if left[name] <= 0 and name:
                    values.pop(name, None)

    def again(self, index: int, read: Sequence[Any], **attributes: Any) -> tuple[Any, ...]:
        """What a node gives when it reads ``read``, with other values for some of its attributes this once."""
        operator = self.operators[index]
        before = {name: getattr(operator, name) for name in attributes}
        try:
            vars(operator).update(attributes)
            return self.compute(operator, read, {})
        finally:
            vars(operator).update(before)

    def compute(self, operator: Any, read: Sequence[Any], context: Mapping[str, Any]) -> tuple[Any, ...]:
        """What a node gives; ``context`` is what the bodies of its branches and loops may read."""
        given = {"context": dict(context)} if operator.need_context() else {}
        with np.errstate(all="ignore"):  # Inf and NaN are results, to be compared
            return tuple(operator.run(*read, **given))


def _reads(node: Any) -> list[str]:
    """What a node reads, in the bodies of its branches and loops too."""
    bodies = [attribute.g for attribute in node.attribute if attribute.type == AttributeProto.GRAPH]
    return [*node.input, *(name for body in bodies for inner in body.node for name in _reads(inner))]


def _widen(graph: Any) -> None:
    for tensor in graph.initializer:
        _widen_tensor(tensor)
    for value in (*graph.input, *graph.output, *graph.value_info):
        kind = value.type.tensor_type
        kind.elem_type = _WIDE.get(kind.elem_type, kind.elem_type)
    _widen_nodes(graph.node)


def _widen_nodes(nodes: Sequence[Any]) -> None:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                _widen_tensor(attribute.t)
            elif attribute.type == AttributeProto.GRAPH:
                _widen(attribute.g)
            elif attribute.name in _DTYPE_ATTRIBUTES and attribute.type == AttributeProto.INT:
                attribute.i = _WIDE.get(attribute.i, attribute.i)


def _widen_tensor(tensor: Any) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        values = numpy_helper.to_array(tensor)
        wide = as_written(values) if values.size == 1 else values.astype(np.float64)
        tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))


def _read_as_written(operator: Any) -> None:
    for name, value in list(vars(operator).items()):
        if isinstance(value, float | np.float32):
            setattr(operator, name, written(value))
        elif isinstance(value, list) and value and isinstance(value[0], float | np.float32):
            setattr(operator, name, [written(part) for part in value])
