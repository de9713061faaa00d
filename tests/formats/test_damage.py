"""Whatever is cut off or flipped: the file is read, or refused with CheckpointError. No other exception, no crash.

HDF5, which is parsed in a process of its own, is in ``test_many_hdf5.py``.
"""

import json
import pickle
import random

import inference_models
import legacy_torch
import numpy as np
import onnx_models
import pytest
import tensor_bundles
import wire

from xframe import checkpoints
from xframe.checkpoints import Outgoing
from xframe.errors import CheckpointError
from xframe.tensors import TensorSpec

FLIPS = 400


def pickled(protocol):
    arrays = {"a": np.arange(3, dtype="f4"), "b": {"c": np.ones((1, 2), "i8")}, "n": 3}
    return lambda path: path.write_bytes(pickle.dumps(arrays, protocol))


def written(extension):
    specs = [TensorSpec("a", (3,), "float32"), TensorSpec("b.c", (1, 2), "int64")]
    tensors = [
        Outgoing.whole(specs[0], lambda: np.arange(3, dtype="f4")),
        Outgoing.whole(specs[1], lambda: np.ones((1, 2), "i8")),
    ]
    return lambda path: checkpoints.write(path, extension, tensors)


def deflated(path):
    with path.open("wb") as file:
        np.savez_compressed(file, a=np.arange(30.0), b=np.zeros((3, 4)))


def sharded(path):
    """The index is what is damaged; the shards lie beside it."""
    for name in ("a", "b"):
        np.savez(path.parent / f"{name}.npz", **{name: np.arange(3.0)})
    index = {"metadata": {"total_size": 48}, "weight_map": {"a": "a.npz", "b": "b.npz"}}
    path.write_text(json.dumps(index, indent=2))


def tensorflow(path):
    """The index is what is damaged; its data file lies beside it under every name that it gets."""
    keys = ["layer/kernel", "layer/bias", "save_counter"]
    graph = tensor_bundles.node(("layer", 1), attributes=[(key, f"model/{key}") for key in keys])
    graph += tensor_bundles.node()
    index = tensor_bundles.with_graph(path.parent, graph, keys)
    for name in (path.name, "cut", "flipped", "overwritten"):
        (path.parent / f"{name}.data-00000-of-00001").write_bytes(index.with_suffix(tensor_bundles.ENDING).read_bytes())
    index.rename(path)


def inference(path):
    """Records are what is damaged; a program lies beside them under every name that they get."""
    for name in (path.name, "cut", "flipped", "overwritten"):
        (path.parent / f"{name}.pdmodel").write_bytes(program_desc())
    path.write_bytes(records())


def inference_program(content):
    """A program is what is damaged; the weights lie beside it under every name that it gets."""

    def make(path):
        for name in (path.name, "cut", "flipped", "overwritten"):
            (path.parent / f"{name}.pdiparams").write_bytes(records())
        path.write_bytes(content)

    return make


def records():
    return inference_models.record() + inference_models.record(bytes(6), inference_models.desc(20, (2, 3)))


def program_desc():
    """One field: protobuf cannot tell that a file is cut off between two."""
    second = inference_models.variable("b", inference_models.desc(20, (2, 3)))
    return inference_models.block(inference_models.variable(), second)


def onnx(path):
    typed = onnx_models.tensor(wire.packed(7, [1, -1, 2**40]), name="b", kind=onnx_models.INT64, dims=(3,))
    path.write_bytes(onnx_models.model(onnx_models.tensor(onnx_models.raw()), typed))


MAKERS = {
    "torch": written("torch"),
    "paddle": written("paddle"),
    "safetensors": written("safetensors"),
    "npz": written("npz"),
    "pickle2": pickled(2),
    "pickle3": pickled(3),
    "pickle4": pickled(4),
    "pickle5": pickled(5),
    "deflated": deflated,
    "legacy": lambda path: path.write_bytes(legacy_torch.legacy()),
    "sharded": sharded,
    "tensorflow": tensorflow,
    "inference": inference,
    "program": inference_program(program_desc()),
    "pir": inference_program(
        inference_models.pir(inference_models.parameter(), inference_models.parameter("b", (2, 3), "0.t_ui8"))
    ),
    "onnx": onnx,
}


@pytest.fixture(params=MAKERS)
def whole(request, tmp_path):
    path = tmp_path / request.param
    MAKERS[request.param](path)
    assert checkpoints.read(path).tensors
    return path


def try_it(path, content):
    """Whether the content is a checkpoint whose every tensor can be had."""
    path.write_bytes(content)
    try:
        tensors = checkpoints.read(path).tensors.values()
        sizes = [(tensor.array().nbytes, tensor.spec.nbytes) for tensor in tensors]
    except CheckpointError:
        return False
    assert all(held == told for held, told in sizes)
    return True


def test_cut_off_anywhere(whole, tmp_path):
    """A file cut off is never taken for a whole one, however little is missing."""
    content = whole.read_bytes()
    taken = [length for length in range(len(content)) if try_it(tmp_path / "cut", content[:length])]
    assert taken == []


def test_flipped_anywhere(whole, tmp_path):
    content = whole.read_bytes()
    dice = random.Random(7)
    for _ in range(FLIPS):
        damaged = bytearray(content)
        for _ in range(dice.choice((1, 1, 2, 8))):
            damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
        try_it(tmp_path / "flipped", bytes(damaged))


def test_overwritten_anywhere(whole, tmp_path):
    """Runs of 0x00 and 0xff make the lengths and offsets that overflow."""
    content = whole.read_bytes()
    dice = random.Random(7)
    for _ in range(FLIPS):
        start, width = dice.randrange(len(content)), dice.choice((1, 2, 4, 8))
        filler = dice.choice((b"\xff", b"\x00", b"\x7f"))
        try_it(tmp_path / "overwritten", content[:start] + filler * width + content[start + width :])
