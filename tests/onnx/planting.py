"""Faults planted in exported graphs: each changes an onnx.ModelProto in place and returns the nodes it is at."""

from pathlib import Path

import numpy as np
from onnx import numpy_helper

BRANCHES = Path(__file__).with_name("branches.toml")
COLUMNS = ("paddle", "torch", "keras")


def nodes(model, *operators):
    """Nodes of these operators that compute on data: what they give is read, in the end, by more than a Reshape."""
    return [node for node in model.graph.node if node.op_type in operators]


def weight(model, node, place=1):
    """The initialiser that a node reads; also behind an Identity."""
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    return held[node.input[place]]


def setting(node, name):
    return next(attribute for attribute in node.attribute if attribute.name == name)


def set_values(tensor, values):
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))


def alter(operators, which, place=1):
    """A ten-thousandth more in the largest value of one initialiser."""

    def plant(model):
        node = nodes(model, *operators)[which]
        tensor = weight(model, node, place)
        values = numpy_helper.to_array(tensor).copy()
        values.flat[np.abs(values).argmax()] += 1e-4
        set_values(tensor, values)
        return [node]

    return plant


def transpose(model):
    """The square matrix, turned over: by its flag where there is one."""
    node = nodes(model, "Gemm", "MatMul")[0]
    if node.op_type == "Gemm":
        flag = setting(node, "transB")
        flag.i = 1 - flag.i
    else:
        tensor = weight(model, node)
        set_values(tensor, numpy_helper.to_array(tensor).T)
    return [node]


def shift_pads(operator, which=0):
    """All padding behind the data, none before it."""

    def plant(model):
        node = next(node for node in nodes(model, operator)[which:] if any(setting_or(node, "pads")))
        setting(node, "pads").ints[:] = [0, 0, 2, 2]
        return [node]

    return plant


def setting_or(node, name):
    return next((list(attribute.ints) for attribute in node.attribute if attribute.name == name), [])


def remove_relu(which):
    """Whoever read what the Relu gave reads what it read: the fault is between those two."""

    def plant(model):
        relu = nodes(model, "Relu")[which]
        for node in model.graph.node:
            node.input[:] = [relu.input[0] if name == relu.output[0] else name for name in node.input]
        model.graph.node.remove(relu)
        return [node for node in model.graph.node if _real(model, relu.input[0]) & {*node.input, *node.output}]

    return plant


def swap_concat(model):
    """Two branches in each other's place."""
    held = {tensor.name for tensor in model.graph.initializer}
    node = next(node for node in nodes(model, "Concat") if len(node.input) == 2 and not {*node.input} & held)
    node.input[:] = list(node.input)[::-1]
    return [node]


def pad_with(value):
    """Something else than zeros around the data."""

    def plant(model):
        node = nodes(model, "Pad")[0]
        model.graph.initializer.append(numpy_helper.from_array(np.float32(value), "around"))
        node.input[2:] = ["around"]
        return [node]

    return plant


def other_epsilon(model):
    node = nodes(model, "BatchNormalization")[0]
    setting(node, "epsilon").f = 1e-3
    return [node]


def _real(model, name):
    """A value's names: paddle2onnx hands values on through nodes that do nothing."""
    makers = {node.output[0]: node for node in model.graph.node if node.op_type == "Identity"}
    names = {name}
    while name in makers:
        name = makers[name].input[0]
        names.add(name)
    return names
