"""basic-pitch 0.4.0 ships one network as a SavedModel and as ONNX, in which batch norms are folded."""

import numpy as np
import pytest

from xframe import checkpoints
from xframe.proving.onnx.export import opened
from xframe.proving.onnx.weights import Norm, match_weights

EPSILON = 1e-3  # Keras's default, which the network has
TENSORFLOW = """
import sys
import numpy as np
import tensorflow as tf

with tf.compat.v1.Session(graph=tf.Graph()) as session:
    model = tf.compat.v1.saved_model.load(session, ["serve"], sys.argv[1])
    signature = model.signature_def["serving_default"]
    (given,) = signature.inputs.values()
    names = sorted(signature.outputs)
    gave = session.run([signature.outputs[name].name for name in names], {given.name: np.load(sys.argv[2])})
np.savez(sys.argv[3], **dict(zip(names, gave)))
"""


@pytest.fixture(scope="session")
def models(package):
    return package("basic-pitch==0.4.0") / "basic_pitch" / "saved_models" / "icassp_2022"


def norms(state):
    """Each batch norm, by the names of its variables."""
    for name in sorted({name.partition("/")[0] for name in state if name.startswith("batch_normalization")}):
        yield Norm(
            weight=f"{name}/gamma", bias=f"{name}/beta", mean=f"{name}/moving_mean",
            variance=f"{name}/moving_variance", epsilon=EPSILON,
        )  # fmt: skip


@pytest.fixture(scope="session")
def matched(models):
    held = checkpoints.read(models / "nmp").tensors
    state = {name: tensor.array() for name, tensor in held.items() if not name.startswith("keras_api")}
    graph = {name: tensor.array() for name, tensor in checkpoints.read(models / "nmp.onnx").tensors.items()}
    return state, match_weights(state, graph, [*norms(state)])


def test_the_graph_holds_the_saved_model_s_weights(matched):
    """All of them: as they are, turned, or folded. What else is in the graph are its constant-Q filters."""
    state, found = matched
    assert found.absent == ()
    assert found.altered == ()
    kernels = [name for name in state if name.endswith("kernel")]
    explained = {tensor for match in found.matches for tensor in match.tensors}
    assert set(kernels) <= explained


def test_batch_norms_are_folded(matched):
    _, found = matched
    folded = {tensor for match in found.matches if match.how == "folded" for tensor in match.tensors}
    assert {"batch_normalization_2/gamma", "batch_normalization_3/gamma"} <= folded
    assert {"conv2d_1/kernel", "conv2d_4/kernel"} <= folded


def test_both_give_the_same(pool, models, compute, tmp_path):
    sound = np.random.default_rng(0).standard_normal((1, 43844, 1), np.float32) * np.float32(0.1)
    np.save(tmp_path / "sound.npy", sound)
    compute(TENSORFLOW, models / "nmp", tmp_path / "sound.npy", tmp_path / "gave.npz")
    native = np.load(tmp_path / "gave.npz")
    export = opened(pool, models / "nmp.onnx", None)
    names = [name for name, _, _ in export.facts.outputs]
    for gave in (export.graph.run(sound, optimised=True), export.graph.compute(sound, {})):
        by_shape = {array.shape: [] for array in gave}
        for array in gave:
            by_shape[array.shape].append(array)
        for name in native.files:
            nearest = min(np.abs(array - native[name]).max() for array in by_shape[native[name].shape])
            assert nearest <= 1e-3, (name, names)
