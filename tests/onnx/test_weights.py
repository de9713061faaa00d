"""Initialisers of an exported graph, looked up by their values; each fault is planted in the graph's tensors."""

import numpy as np
import pytest

from xframe.proving.onnx.weights import Norm, match_weights

NORM = Norm(weight="bn.weight", bias="bn.bias", mean="bn.mean", variance="bn.variance", epsilon=1e-3)
OF_NORM = ("bn.weight", "bn.bias", "bn.mean", "bn.variance")


@pytest.fixture
def state():
    random = np.random.default_rng(0)
    shapes = {"conv.weight": (4, 3, 2, 2), "conv.bias": (4,), "fc.weight": (5, 4), **dict.fromkeys(OF_NORM, (4,))}
    tensors = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    return {**tensors, "bn.variance": np.abs(tensors["bn.variance"]) + np.float32(0.5)}


def folded(state):
    """As an exporter does it, in float32."""
    scale = state["bn.weight"] / np.sqrt(state["bn.variance"] + np.float32(1e-3))
    kernel = state["conv.weight"] * scale[:, None, None, None]
    return kernel, (state["conv.bias"] - state["bn.mean"]) * scale + state["bn.bias"]


def test_all_as_they_are(state):
    found = match_weights(state, {f"graph.{name}": values for name, values in state.items()}, [NORM])
    assert found
    assert {match.initialiser: match.tensors for match in found.matches} == {f"graph.{name}": (name,) for name in state}
    assert found.count("same") == 7


def test_turned_and_reshaped(state):
    graph = dict(state, **{"fc.weight": state["fc.weight"].T, "conv.bias": state["conv.bias"].reshape(1, 4, 1, 1)})
    graph["conv.weight"] = np.ascontiguousarray(state["conv.weight"].transpose(2, 3, 1, 0))
    found = match_weights(state, graph, [NORM])
    assert found
    assert (found.count("same"), found.count("rearranged")) == (4, 3)


def test_folded_batch_norm(state):
    kernel, bias = folded(state)
    found = match_weights(state, {"a": kernel, "b": bias, "c": state["fc.weight"], "shape": np.array([1, -1])}, [NORM])
    assert found
    assert {match.initialiser: (match.how, match.tensors[:1]) for match in found.matches} == {
        "a": ("folded", ("conv.weight",)), "b": ("folded", ("conv.bias",)), "c": ("same", ("fc.weight",)),
        "shape": ("constant", ()),
    }  # fmt: skip
    assert found.count("constant") == 1
    assert str(found) == "4 initialisers: 1 same, 2 folded, 1 constant"


def test_folded_kernel_with_its_axes_turned(state):
    kernel, bias = folded(state)
    found = match_weights(state, {"a": kernel.transpose(1, 2, 3, 0), "b": bias, "c": state["fc.weight"]}, [NORM])
    assert found


def test_batch_norm_as_scale_and_shift(state):
    scale = state["bn.weight"] / np.sqrt(state["bn.variance"] + np.float32(1e-3))
    shift = state["bn.bias"] - state["bn.mean"] * scale
    graph = {name: state[name] for name in ("conv.weight", "conv.bias", "fc.weight")}
    found = match_weights(state, {**graph, "scale": scale.reshape(1, 4, 1, 1), "shift": shift}, [NORM])
    assert found
    assert found.count("folded") == 2


@pytest.mark.parametrize("where", ["a", "b", "c"])
def test_a_value_off_by_a_ten_thousandth_is_unexplained(state, where):
    kernel, bias = folded(state)
    graph = {"a": kernel, "b": bias, "c": state["fc.weight"]}
    graph[where] = graph[where].copy()
    graph[where].flat[np.abs(graph[where]).argmax()] *= 1 + 1e-4
    found = match_weights(state, graph, [NORM])
    assert not found
    assert found.unexplained == (where,)
    assert where in str(found)


def test_another_epsilon_is_unexplained(state):
    kernel, bias = folded(state)
    other = Norm(weight="bn.weight", bias="bn.bias", mean="bn.mean", variance="bn.variance", epsilon=1e-2)
    assert set(match_weights(state, {"a": kernel, "b": bias, "c": state["fc.weight"]}, [other]).unexplained) == {
        "a",
        "b",
    }


def test_a_tensor_that_is_not_in_the_graph(state):
    graph = {name: values for name, values in state.items() if name != "fc.weight"}
    found = match_weights(state, graph, [NORM])
    assert not found
    assert found.absent == ("fc.weight",)
    assert "not in the graph: fc.weight" in str(found)


def test_exports_of_all_frameworks(port):
    """Paddle's exporter keeps batch norms, PyTorch's folds them."""
    result = port("resnet18", "paddle", "torch", onnx=True, set={"num_classes": 10, "size": 64})
    weights = {parity.implementation: parity.weights for parity in result.proof.parities}
    assert all(weights.values())
    assert (weights["paddle"].count("same"), weights["paddle"].count("folded")) == (102, 0)
    assert (weights["torch"].count("same"), weights["torch"].count("folded")) == (2, 40)
