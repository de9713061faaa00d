"""silero-vad 6.2.3 ships one network as TorchScript, as safetensors and as ONNX graphs with If and LSTM nodes."""

import numpy as np
import pytest

from xframe import checkpoints
from xframe.proving.onnx.export import opened
from xframe.workflows.diff import DiffOptions
from xframe.workflows.diff_graphs import diff_graphs

TORCH = """
import sys
import numpy as np
import torch

model = torch.jit.load(sys.argv[1])
held = np.load(sys.argv[2])
# the wrapper keeps context and state; the network behind it reads what the graph does
state = torch.from_numpy(held["state"])
with torch.inference_mode():
    gave = model._model(torch.from_numpy(held["input"]), state)
np.savez(sys.argv[3], output=gave[0].numpy(), state=gave[1].numpy())
"""


@pytest.fixture(scope="session")
def data(package):
    return package("silero-vad==6.2.3") / "silero_vad" / "data"


@pytest.fixture
def sound(tmp_path):
    """Half a second at 16 kHz, twice, in a file."""
    random = np.random.default_rng(0)
    path = tmp_path / "sound.npz"
    tenth = np.float32(0.1)
    np.savez(
        path,
        input=random.standard_normal((2, 576), np.float32) * tenth,
        state=random.standard_normal((2, 2, 128), np.float32) * tenth,
        sr=np.int64(16000),
    )
    return path


@pytest.mark.parametrize("name", ["silero_vad.onnx", "silero_vad_op18_ifless.onnx"])
def test_its_graphs_are_one_network(pool, data, sound, name):
    found = diff_graphs(
        "-", str(data / "silero_vad_16k_op15.onnx"), str(data / name), DiffOptions(input=sound), pool=pool
    )
    assert found.verdict == "equivalent"
    assert found.float64.max_rel <= 1e-12


def test_another_training_is_told_from_its_first_layer_on(pool, data, sound):
    found = diff_graphs(
        "-", str(data / "silero_vad_16k_op15.onnx"), str(data / "silero_vad_half.onnx"), DiffOptions(input=sound),
        pool=pool,
    )  # fmt: skip
    assert found.verdict == "different"
    assert "encoder/0" in found.first_divergence.target_name


def test_torchscript_and_onnx_give_the_same(pool, data, sound, compute, tmp_path):
    compute(TORCH, data / "silero_vad.jit", sound, tmp_path / "gave.npz")
    native, held = np.load(tmp_path / "gave.npz"), np.load(sound)
    graph = opened(pool, data / "silero_vad_16k_op15.onnx", None).graph
    inputs = [held["input"], held["state"], held["sr"]]
    for gave in (graph.run(inputs, optimised=True), graph.compute(inputs, {})):
        assert np.abs(gave[0] - native["output"]).max() <= 1e-5
        assert np.abs(gave[1] - native["state"]).max() <= 1e-5


def test_its_safetensors_hold_the_graph_s_weights(data):
    plain = checkpoints.read(data / "silero_vad_16k.safetensors").tensors
    graph = checkpoints.read(data / "silero_vad_16k_op15.onnx").tensors
    values = {tensor.array().tobytes() for tensor in graph.values()}
    shared = [name for name, tensor in plain.items() if tensor.array().tobytes() in values]
    convolutions = [name for name in plain if "encoder" in name or "stft" in name]
    assert convolutions
    assert set(convolutions) <= set(shared)
