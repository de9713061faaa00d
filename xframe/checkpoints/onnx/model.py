"""ONNX models: the initialisers of the main graph, by name (onnx.proto, messages ModelProto and GraphProto).

The file is mapped and its fields are walked: no tensor is read, whatever the model's size. Tensors in nodes (Constant)
and in the bodies of If, Loop and functions are counted, not read: their names need not be unique.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import Checkpoint, Glance, StoredTensor
from xframe.checkpoints.onnx.external import Folder
from xframe.checkpoints.onnx.tensors import initializer, location
from xframe.checkpoints.protobuf import Message, Span, mapped
from xframe.checkpoints.refusals import refusal, shown
from xframe.errors import CheckpointError

_IR_VERSION, _PRODUCER, _PRODUCER_VERSION, _DOC, _GRAPH, _OPSET, _METADATA = 1, 2, 3, 6, 7, 8, 14
_TRAINING, _FUNCTIONS = 20, 25
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15
_ATTRIBUTE, _FUNCTION_NODE = 5, 7
_TENSOR, _SUBGRAPH, _TENSORS, _SUBGRAPHS = 5, 6, 10, 11
_MOST_INITIALIZERS = 1_000_000
_MOST_LISTED = 1000
_LATEST_IR = 99
# ModelProto: a field's number and its wire type, as far as they may come before the graph.
_BEFORE_GRAPH = {_PRODUCER: 2, _PRODUCER_VERSION: 2, 4: 2, 5: 0, _DOC: 2, _OPSET: 2, _METADATA: 2}


class Onnx:
    """The format of ``onnx.save`` and of every exporter: the weights in it, not the network."""

    name = "onnx"
    extensions: tuple[str, ...] = (".onnx",)

    def matches(self, glance: Glance) -> bool:
        """A ModelProto has no magic number: field 1 (ir_version, 1 to 99), then only its own fields up to the graph.

        Serialisers write fields by number. TensorFlow's SavedModel starts with a version too and has no field 7.
        """
        return _looks_like_a_model(glance)

    def read(self, path: Path, budget: Budget) -> Checkpoint:
        """Names, shapes and places of all initialisers of the main graph, those in files beside the model too."""
        model = _Model.of(Span.whole(mapped(path), str(path)))
        folder = Folder(path.parent)
        for place in sorted(model.elsewhere):
            folder.check(str(path), place)
        tensors: dict[str, StoredTensor] = {}
        for span in model.initializers:
            tensor = initializer(span, path, folder, budget)
            if tensor.spec.name in tensors:
                raise refusal(path, expected="every name once", found=f"{shown(tensor.spec.name)} again")
            tensors[tensor.spec.name] = tensor
        return Checkpoint(
            path=path, format=self.name, tensors=tensors, notes=model.notes(), metadata=MappingProxyType(model.metadata)
        )


def _looks_like_a_model(glance: Glance) -> bool:
    if not glance.head.startswith(b"\x08"):
        return False
    span = Span.whole(memoryview(glance.head), "")
    position = 0
    try:
        while position < len(span):
            tag, position = span.varint(position)
            number, kind = tag >> 3, tag & 7
            value, position = span.varint(position)
            if number == _IR_VERSION and kind == 0 and 1 <= value <= _LATEST_IR:
                continue
            if number == _GRAPH and kind == 2:
                return position + value <= glance.size
            if _BEFORE_GRAPH.get(number) != kind:
                return False
            position += value if kind == 2 else 0
            if position > len(span):  # a long description: what follows it is not in sight
                return number == _DOC and position < glance.size
    except CheckpointError:
        return False
    return False


@dataclass(slots=True)
class _Model:
    """What a walk through a ModelProto finds."""

    initializers: list[Span] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    nested: int = 0
    constants: int = 0
    elsewhere: set[str] = field(default_factory=set)  # files with tensors of nodes and nested graphs
    training: bool = False

    @classmethod
    def of(cls, span: Span) -> _Model:
        found = cls()
        said = span.message(
            {_IR_VERSION, _PRODUCER, _PRODUCER_VERSION, _OPSET, _METADATA, _GRAPH, _TRAINING, _FUNCTIONS}
        )
        graph = said.part(_GRAPH)
        if graph is None:
            raise span.refuse("a graph", "none")
        if not said.parts(_OPSET):
            raise span.refuse("an opset, as every model has one", "none: the file is cut off")
        found.metadata = dict(_metadata(said))
        found.training = bool(said.parts(_TRAINING))
        found.walk(graph)
        for function in said.parts(_FUNCTIONS):
            for number, part in function.fields():
                if number == _FUNCTION_NODE and isinstance(part, Span):
                    found.count(part)
        return found

    def walk(self, graph: Span) -> None:
        """The main graph: its initialisers are kept, the tensors in its nodes counted."""
        for number, part in graph.fields():
            if not isinstance(part, Span):
                continue
            if number == _INITIALIZER:
                self.initializers.append(part)
            elif number == _SPARSE:
                attempt = "export the model with dense weights"
                raise refusal(part.place, expected="dense initialisers", found="a sparse one", attempt=attempt)
            elif number == _NODE:
                self.count(part)
            if len(self.initializers) > _MOST_INITIALIZERS:
                raise graph.refuse(f"at most {_MOST_INITIALIZERS} initialisers", "more")

    def count(self, node: Span) -> None:
        """Counts the tensors in a node and in the graphs that it holds, by an explicit stack."""
        stack = [(_NODE, node.start, node.end)]
        while stack:
            kind, start, end = stack.pop()
            for number, first, last in node.parts(start, end):
                if kind == _NODE and number == _ATTRIBUTE:
                    stack.append((_ATTRIBUTE, first, last))
                elif kind == _ATTRIBUTE and number in {_TENSOR, _TENSORS}:
                    self.constants += 1
                    self.locate(Span(node.data, first, last, node.place))
                elif kind == _ATTRIBUTE and number in {_SUBGRAPH, _SUBGRAPHS}:
                    stack.append((_GRAPH, first, last))
                elif kind == _GRAPH and number == _NODE:
                    stack.append((_NODE, first, last))
                elif kind == _GRAPH and number in {_INITIALIZER, _SPARSE}:
                    self.nested += 1
                    if number == _INITIALIZER:
                        self.locate(Span(node.data, first, last, node.place))

    def locate(self, tensor: Span) -> None:
        """Whoever runs the graph reads these: where they lie matters, though their values are left out here."""
        place = location(tensor)
        if place is not None:
            self.elsewhere.add(place)

    def notes(self) -> tuple[str, ...]:
        said = {
            f"left out: {self.nested} initialisers of nested graphs (bodies of If, Loop …)": self.nested,
            f"left out: {self.constants} tensors that are attributes of nodes (Constant …)": self.constants,
            "left out: what the model says of training": self.training,
        }
        return tuple(note for note, holds in said.items() if holds)


def _metadata(said: Message) -> Iterator[tuple[str, str]]:
    yield "ir_version", str(said.integer(_IR_VERSION))
    for key, number in (("producer_name", _PRODUCER), ("producer_version", _PRODUCER_VERSION)):
        if said.part(number):
            yield key, shown(said.text(number))
    for opset in said.parts(_OPSET)[:_MOST_LISTED]:
        imported = opset.message({1, 2})
        yield f"opset.{shown(imported.text(1)) or 'ai.onnx'}", str(imported.integer(2))
    for entry in said.parts(_METADATA)[:_MOST_LISTED]:
        pair = entry.message({1, 2})
        yield f"metadata.{shown(pair.text(1))}", shown(pair.text(2))
