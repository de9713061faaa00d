"""Faults planted in exports: caught, the node named, the cause found, the right party blamed."""

import dataclasses

import numpy as np
import planting
import pytest
from planting import COLUMNS

from xframe.comparison import Comparison
from xframe.proving.onnx.blame import OPTIMISER, RUNTIME, blame
from xframe.proving.onnx.parity import hold

CONV, DENSE = ("Conv",), ("Gemm", "MatMul")
EVERYWHERE = {
    "a convolution's kernel altered": (planting.alter(CONV, 1), "altered weights"),
    "a folded or plain first kernel altered": (planting.alter(CONV, 0), "altered weights"),
    "a matrix altered": (planting.alter(DENSE, 0), "altered weights"),
    "the last matrix altered": (planting.alter(DENSE, 1), "altered weights"),
    "a square matrix transposed": (planting.transpose, "transposed"),
    "a convolution's padding shifted": (planting.shift_pads("Conv", 1), "pads"),
    "a relu removed before the branches": (planting.remove_relu(0), "missing activation"),
    "a relu removed behind the concatenation": (planting.remove_relu(1), "missing activation"),
    "a relu removed before the head": (planting.remove_relu(2), "missing activation"),
    "a concatenation swapped": (planting.swap_concat, "order of inputs"),
}


@pytest.mark.parametrize("column", COLUMNS)
def test_no_false_alarm(held, column):
    parity, _ = held(column)
    assert parity
    assert parity.blame is None
    assert parity.float64.max_rel <= 1e-13
    assert not parity.weights.unexplained


@pytest.mark.parametrize("fault", EVERYWHERE)
@pytest.mark.parametrize("column", COLUMNS)
def test_caught_and_located(held, column, fault):
    plant, cause = EVERYWHERE[fault]
    parity, nodes = held(column, plant)
    assert not parity
    found = parity.blame
    assert found.party == parity.export.exporter
    assert (found.operator, found.node) in [(node.op_type, node.name) for node in nodes], str(found)
    assert [(one.cause, one.confirmed) for one in found.causes] == [(cause, True)], str(found)


@pytest.mark.parametrize("column", ["paddle", "torch"])
def test_a_pool_s_padding_is_caught(held, column):
    """Behind a relu a maximum may not see it: this probe does."""
    parity, (node,) = held(column, planting.shift_pads("MaxPool"))
    assert not parity
    assert (parity.blame.operator, parity.blame.node) == ("MaxPool", node.name)
    assert [one.cause for one in parity.blame.causes] == ["pads"]


def test_a_padding_value_is_caught(held):
    """paddle2onnx 2.1.0 leaves it unset for nn.Pad2D: whatever is in memory goes into the graph."""
    parity, (node,) = held("keras", planting.pad_with(2.77e20))
    assert (parity.blame.operator, parity.blame.node) == ("Pad", node.name)
    (cause,) = parity.blame.causes
    assert (cause.cause, cause.confirmed) == ("padding value", True)
    assert "it pads with 2.77e+20; it agrees with 0" in cause.detail


def test_another_epsilon_is_caught(held):
    parity, (node,) = held("paddle", planting.other_epsilon)
    assert not parity
    assert (parity.blame.node, parity.blame.layer) == (node.name, "norm1")
    (cause,) = parity.blame.causes
    assert (cause.cause, cause.confirmed) == ("epsilon", True)
    assert "0.001" in cause.detail
    assert "1e-05" in cause.detail


def test_an_altered_tensor_is_named(held):
    parity, _ = held("torch", planting.alter(CONV, 1))
    (altered,) = parity.weights.altered
    assert (altered.initialiser, altered.tensors) == ("conv2.weight", ("conv2.weight",))
    assert "1 of its 144 values are others, by 1.0e-04 at most" in str(parity.blame)
    assert parity.to_json()["weights"]["altered"] == {"conv2.weight": altered.detail}


def test_a_tensor_that_no_output_sees_is_caught_too(held, natives):
    """float32 cannot see it, and the comparison of outputs alone would let it pass."""
    parity, _ = held("paddle", planting.alter(DENSE, 1))
    assert parity.comparison or parity.float64.max_rel < 1e-3
    assert parity.weights.altered


def far(comparison):
    return dataclasses.replace(comparison, max_abs=1.0, max_rel=1.0, passed=False)


def test_a_model_without_a_bound_passes_no_export(pool, natives, exports):
    """Inf in the model's own float32 outputs: every difference would be within its rounding."""
    right = natives["torch"]
    endless = tuple(np.full_like(array, np.inf) for array in right.outputs.float32)
    native = dataclasses.replace(right, outputs=dataclasses.replace(right.outputs, float32=endless))
    found = hold(exports["torch"], native)
    assert not found
    assert "there is no bound" in found.comparison.reason


def test_the_runtime_is_blamed_where_the_graph_is_right(held, natives):
    """onnxruntime's own faults cannot be provoked: figures as it would leave them."""
    parity, _ = held("torch")
    wrong = tuple(dataclasses.replace(run, comparison=far(run.comparison)) for run in parity.runs)
    assert blame(dataclasses.replace(parity, runs=wrong), natives["torch"]).party == RUNTIME
    optimised = tuple(
        dataclasses.replace(run, comparison=far(run.comparison)) if run.optimised else run for run in parity.runs
    )
    assert blame(dataclasses.replace(parity, runs=optimised), natives["torch"]).party == OPTIMISER


def test_without_float64_two_parties_stay(held, natives):
    parity, _ = held("torch")
    wrong = tuple(dataclasses.replace(run, comparison=far(run.comparison)) for run in parity.runs)
    unproven = dataclasses.replace(parity, runs=wrong, float64=None, unproven="not computed in float64: no such node")
    found = blame(unproven, natives["torch"])
    assert found.party == f"{parity.export.exporter} or onnxruntime"
    assert "no such node" in found.because


def test_what_the_checker_refuses_is_the_exporter_s(held, natives):
    parity, _ = held("keras")
    exact = Comparison(max_abs=0.0, max_rel=0.0, passed=True)
    refused = dataclasses.replace(
        parity, float64=exact, export=dataclasses.replace(parity.export, checker="Field 'op_type' is required")
    )
    assert not refused
    found = blame(refused, natives["keras"])
    assert found.party == parity.export.exporter
    assert "op_type" in found.because
