"""Names out of the object graph that a bundle carries along: which variable is called what, which are the optimizer's.

``tf.train.Checkpoint`` and SavedModels file a variable under its path among Python objects, of which Keras makes
``_operations/1/_kernel`` or ``optimizer/_trainable_variables/0``; the graph has the variable's own name beside it.
tensorflow/core/protobuf/trackable_object_graph.proto.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from xframe.checkpoints.protobuf import Span
from xframe.checkpoints.refusals import refusal
from xframe.checkpoints.tensorflow.crc32c import crc32c, masked
from xframe.checkpoints.tree import MOST_NODES

GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
COUNTER = "save_counter/.ATTRIBUTES/VARIABLE_VALUE"
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
# What every optimizer has among its children: Keras 3 and Keras 2.11 on, Keras 2 before.
_OPTIMIZER = ({"_iterations", "_learning_rate"}, {"iter", "learning_rate"})


@dataclass(slots=True)
class _Node:
    children: dict[str, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # key in the bundle → the variable's own name
    has_slots: bool = False


@dataclass(frozen=True, slots=True)
class ObjectGraph:
    """``names``: the variables' own names by their keys; ``weights``: the keys of all that are not the optimizer's.

    ``repeated``: the keys of what Keras' ``model.export`` may store a second time, for its serving functions.
    """

    names: Mapping[str, str]
    weights: frozenset[str]
    repeated: frozenset[str]


def parsed(message: Span) -> ObjectGraph:
    """The graph in ``message``. Raises CheckpointError where it is none."""
    nodes = []
    for number, value in message.fields():
        if number == 1 and isinstance(value, Span):
            nodes.append(_node(value))
        if len(nodes) > MOST_NODES:
            raise message.refuse(f"at most {MOST_NODES} objects", "more")
    reached = _reached(nodes, message)
    names = {key: name for node in nodes for key, name in node.names.items()}
    weights = frozenset(key for index in reached for key in nodes[index].names)
    return ObjectGraph(names, weights, frozenset(_repeated(nodes)))


def labels(keys: Iterable[str], graph: ObjectGraph) -> dict[str, str]:
    """What each variable is called: by its own name where that is a path of its own, by its key without suffix else.

    A name such as ``Variable`` says nothing. Where two would be called the same, all are called by their keys.
    """
    own = {key: graph.names.get(key, "") for key in keys}
    called = {key: name if "/" in name.strip("/") else key.removesuffix(SUFFIX) for key, name in own.items()}
    twice = [name for name, count in Counter(called.values()).items() if count > 1]
    return {key: key.removesuffix(SUFFIX) for key in own} if twice else called


def _reached(nodes: list[_Node], message: Span) -> set[int]:
    """What can be reached from the first object without passing through an optimizer."""
    waiting, reached = [0] if nodes else [], set()
    while waiting:
        index = waiting.pop()
        if index >= len(nodes):
            raise message.refuse(f"one of {len(nodes)} objects", f"number {index}")
        if index not in reached and not _is_optimizer(nodes[index]):
            reached.add(index)
            waiting += nodes[index].children.values()
    return reached


def _repeated(nodes: list[_Node]) -> Iterator[str]:
    root = nodes[0].children if nodes else {}
    again = root.get("_all_variables") if "variables" in root else None
    if again is not None and again < len(nodes):
        for index in nodes[again].children.values():
            yield from nodes[index].names if index < len(nodes) else ()


def _is_optimizer(node: _Node) -> bool:
    return node.has_slots or any(known <= node.children.keys() for known in _OPTIMIZER)


def _node(message: Span) -> _Node:
    node = _Node()
    for number, value in message.fields():
        if not isinstance(value, Span):
            continue
        if number == 1:
            integers, texts = _pair(value)
            node.children[texts.get(2, "")] = integers.get(1, 0)
        elif number == 2:
            texts = _pair(value)[1]
            node.names[texts.get(3, "")] = texts.get(2, "")
        elif number == 3:
            node.has_slots = True
    return node


def _pair(message: Span) -> tuple[dict[int, int], dict[int, str]]:
    integers: dict[int, int] = {}
    texts: dict[int, str] = {}
    for number, value in message.fields():
        if isinstance(value, int):
            integers[number] = value
        else:
            texts[number] = value.text()
    return integers, texts


def text_of(data: bytes, checksum: int, place: str) -> Span:
    """The one text in a tensor of text: its length, the masked CRC-32C of that, its bytes; ``checksum`` is over all.

    Both count the length as 4 bytes, whatever it takes in the file: WriteStringTensor in tensor_bundle.cc.
    """
    length = next(Span.whole(memoryview(data), place).varints(), -1)
    start = len(data) - length
    if not 0 <= length < 2**32 or start < 5:
        raise refusal(place, expected="one text", found=f"{len(data)} bytes for a length of {length}")
    summed = np.frombuffer(length.to_bytes(4, "little") + data[start - 4 :], np.uint8)
    if masked(crc32c(summed)) != checksum or masked(crc32c(summed[:4])) != int.from_bytes(summed[4:8], "little"):
        raise refusal(place, expected=f"a text with the CRC-32C {checksum:08x}", found="another")
    return Span(memoryview(data), start, len(data), place)
