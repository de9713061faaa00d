"""ONNX graphs as files: checked, described, given plain names. Weights that lie beside a graph stay where they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
from onnx import AttributeProto, TensorProto

BATCH = "batch"
_WORDS = 300  # characters of what the checker says
_EXTERNAL = 1024  # bytes from which a tensor goes beside the graph


def check(path: Path) -> str:
    """What onnx.checker and strict shape inference say against a graph; "" where they say nothing."""
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except Exception as error:  # of several classes, some of C++
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return lines[0][:_WORDS] if lines else type(error).__name__
    return ""


def describe(path: Path) -> dict[str, Any]:
    """Opset, IR version, producer, how often each operator is in it, and inputs and outputs as (name, shape, dtype)."""
    model = onnx.load(str(path), load_external_data=False)
    held = {tensor.name for tensor in model.graph.initializer}
    return {
        "opset": max((opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")), default=0),
        "ir_version": model.ir_version,
        "producer": f"{model.producer_name} {model.producer_version}".strip().removesuffix(" None"),  # tf2onnx's commit
        "operators": dict(Counter(node.op_type for node in model.graph.node)),
        "inputs": [_described(value) for value in model.graph.input if value.name not in held],
        "outputs": [_described(value) for value in model.graph.output],
    }


def _described(value: Any) -> tuple[str, list[Any], str]:
    kind = value.type.tensor_type
    shape = [length.dim_param or length.dim_value or "?" for length in kind.shape.dim]
    return value.name, shape, TensorProto.DataType.Name(kind.elem_type).lower()


def rename(path: Path) -> None:
    """Call a graph's inputs ``input`` and its outputs ``output``, with a number behind where there are several.

    The first dimension of each, where it is open, is called ``batch``.
    """
    model = onnx.load(str(path), load_external_data=False)
    graph = model.graph
    held = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in held]
    names = {**_plain(inputs, "input"), **_plain(graph.output, "output")}
    taken = set(_names(graph)) - names.keys()
    names |= {name: _free(name, taken | set(names.values())) for name in taken & set(names.values())}
    for value in (*inputs, *graph.output):
        lengths = value.type.tensor_type.shape.dim
        if lengths and not lengths[0].dim_value:
            lengths[0].dim_param = BATCH
    del graph.value_info[:]  # they name open dimensions otherwise, and whoever wants shapes infers them
    _rename(graph, names)
    onnx.save(model, str(path))


def move_weights_out(path: Path) -> None:
    """Put a graph's tensors into a file beside it, as graphs of over 2 GB must have them."""
    model = onnx.load(str(path))
    beside = path.with_name(f"{path.name}.data")
    beside.unlink(missing_ok=True)  # onnx appends
    onnx.save_model(
        model, str(path), save_as_external_data=True, all_tensors_to_one_file=True, location=beside.name,
        size_threshold=_EXTERNAL,
    )  # fmt: skip


def _plain(values: Any, word: str) -> dict[str, str]:
    return {value.name: word if len(values) == 1 else f"{word}_{index}" for index, value in enumerate(values)}


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _names(graph: Any) -> Iterator[str]:
    """Every name of a value, in the bodies of branches and loops too."""
    for value in (*graph.input, *graph.output, *graph.initializer):
        yield value.name
    for node in graph.node:
        yield from (*node.input, *node.output)
        for body in _bodies(node):
            yield from _names(body)


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        for called in (node.input, node.output):
            called[:] = [names.get(name, name) for name in called]
        for body in _bodies(node):
            _rename(body, names)


def _bodies(node: Any) -> list[Any]:
    return [attribute.g for attribute in node.attribute if attribute.type == AttributeProto.GRAPH]
