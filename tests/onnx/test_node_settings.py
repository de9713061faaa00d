"""Settings of nodes changed in an export: each caught, the node named although no layer stands beside it, and why."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from planting import nodes, set_values, weight

from xframe.mapping import load_table
from xframe.proving.onnx.export import opened, start_export
from xframe.proving.onnx.parity import Native, hold
from xframe.proving.probe import random_input
from xframe.proving.proof import Runs, load_source
from xframe.proving.sides import Side
from xframe.proving.weights import at_random


@pytest.fixture(scope="module")
def native(pool):
    table = load_table(str(Path(__file__).with_name("settings.toml")))
    side = Side(pool, table, table.implementation("torch"), "settings", "float32")
    load_source(side, at_random(side, 0, pool), pool, "float32")()
    probe = random_input(table, 0)
    return Native(side=side, probe=probe, outputs=Runs(side, probe).outputs)


@pytest.fixture(scope="module")
def export(pool, native, tmp_path_factory):
    return start_export(pool, native.side, native.probe, folder=tmp_path_factory.mktemp("settings"))()


@pytest.fixture
def planted(pool, native, export, tmp_path):
    def run(plant):
        model = onnx.load(export.graph.path)
        node = plant(model)
        onnx.save(model, tmp_path / "planted.onnx")
        return hold(opened(pool, tmp_path / "planted.onnx", channels=3), native), node

    return run


def setting(operator, name, value, which=0):
    def plant(model):
        node = nodes(model, operator)[which]
        kept = [attribute for attribute in node.attribute if attribute.name != name]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute(name, value)])
        return node

    return plant


def reads(operator, which=0, **arrays):
    """Other tensors at the places ``at1``, ``at2`` … of a node."""

    def plant(model):
        node = nodes(model, operator)[which]
        for place, array in arrays.items():
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), place))
            node.input[int(place[2:])] = place
        return node

    return plant


def padded_by_a_word(model):
    node = nodes(model, "Conv")[0]
    kept = [attribute for attribute in node.attribute if attribute.name not in ("pads", "auto_pad")]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute("auto_pad", "SAME_UPPER")])
    return node


def other_kernel(model):
    node = next(node for node in nodes(model, "Conv") if "one.weight" in node.input)
    node.input[1] = "other.weight"
    return node


def swapped_statistics(model):
    node = nodes(model, "BatchNormalization")[0]
    node.input[3], node.input[4] = node.input[4], node.input[3]
    return node


def rotated_concat(model):
    node = nodes(model, "Concat")[0]
    node.input[:] = [node.input[1], node.input[2], node.input[0]]
    return node


def narrowed(dtype):
    """Fewer bits and back, in the middle."""

    def plant(model):
        pool = nodes(model, "AveragePool")[0]
        place = list(model.graph.node).index(pool)
        down = helper.make_node("Cast", [pool.input[0]], ["narrow"], "down", to=dtype)
        up = helper.make_node("Cast", ["narrow"], ["wide_again"], "up", to=onnx.TensorProto.FLOAT)
        pool.input[0] = "wide_again"
        model.graph.node.insert(place, down)
        model.graph.node.insert(place + 1, up)
        return down

    return plant


FAULTS = {
    "ceil_mode": (setting("MaxPool", "ceil_mode", 0), "ceil_mode"),
    "padding counted": (setting("AveragePool", "count_include_pad", 1), "count_include_pad"),
    "auto_pad": (padded_by_a_word, "auto_pad"),
    "corners": (
        setting("Resize", "coordinate_transformation_mode", "align_corners"), "coordinate_transformation_mode",
    ),
    "nearest": (setting("Resize", "mode", "nearest"), "mode"),
    "softmax axis": (setting("Softmax", "axis", 2), "axis"),
    "alpha of a matrix": (setting("Gemm", "alpha", 1.01, 1), "alpha"),
    "beta of a matrix": (setting("Gemm", "beta", 0.5, 1), "beta"),
    "slope": (setting("LeakyRelu", "alpha", 0.3), "alpha"),
    "epsilon": (setting("BatchNormalization", "epsilon", 1e-3), "epsilon"),
    "bound": (reads("Clip", at2=np.float32(5.0)), "bound"),
    "a slice by one": (reads("Slice", 1, at1=[3], at2=[7]), "slice"),
    "three branches rotated": (rotated_concat, "order of inputs"),
    "mean and variance": (swapped_statistics, "order of inputs"),
    "another layer's kernel": (other_kernel, "another tensor"),
    "float16 in the middle": (narrowed(onnx.TensorProto.FLOAT16), "precision"),
    "bfloat16 in the middle": (narrowed(onnx.TensorProto.BFLOAT16), "precision"),
}  # fmt: skip


def test_the_export_holds(export, native):
    parity = hold(export, native)
    assert parity
    assert parity.float64.max_rel < 1e-13
    assert not parity.weights.unexplained, "scales of a resize are constants: with them unexplained, 1e-5 would pass"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_setting(planted, fault):
    plant, cause = FAULTS[fault]
    parity, node = planted(plant)
    assert not parity
    found = parity.blame
    assert (found.operator, found.node) == (node.op_type, node.name), str(found)
    assert [(one.cause, one.confirmed) for one in found.causes] == [(cause, True)], str(found)


def test_a_copied_kernel_is_said_to_be_missing(planted):
    def plant(model):
        first, second = nodes(model, "Conv")[1:3]
        set_values(weight(model, first), numpy_helper.to_array(weight(model, second)))
        return first

    parity, node = planted(plant)
    assert parity.blame.node == node.name
    (cause,) = parity.blame.causes
    assert (cause.cause, cause.confirmed) == ("other weights", False)
    assert "one.weight" in cause.detail


def test_a_missing_softmax_is_behind_the_last_right_value(planted):
    def plant(model):
        softmax = nodes(model, "Softmax")[0]
        reader = next(node for node in model.graph.node if softmax.output[0] in node.input)
        reader.input[0] = softmax.input[0]
        model.graph.node.remove(softmax)
        return reader

    parity, node = planted(plant)
    assert (parity.blame.node, parity.blame.layer, parity.blame.behind) == (node.name, "output", "head")


def test_weights_in_float16_are_one_cause(planted):
    def plant(model):
        for tensor in model.graph.initializer:
            if tensor.name.endswith((".weight", ".bias")):
                set_values(tensor, numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32))

    parity, _ = planted(plant)
    (cause,) = parity.blame.causes
    assert (cause.cause, cause.confirmed) == ("float16", True)
    assert cause.change == "export the model in float32"
