"""Writes the seeds: the smallest real files of each kind, by the libraries that own the formats.

``python -m fuzz.make_seeds [LIBRARY …]``. Findings (``finding-*``) stay as they are. Each library runs in a process
of its own; one that is not installed is left out, and what it once wrote stays.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

SEEDS = Path(__file__).parent / "seeds"
BESIDE = Path(__file__).parent / "beside"
MOST = 4096  # bytes of one seed


def keep(kind: str, name: str, data: bytes) -> None:
    """Files a seed, unless it is too large to be one."""
    assert len(data) <= MOST, f"{kind}/{name}: {len(data)} bytes"
    (SEEDS / kind).mkdir(parents=True, exist_ok=True)
    (SEEDS / kind / name).write_bytes(data)


def lay(kind: str, name: str, data: bytes) -> None:
    """Files what lies beside the seeds of a kind."""
    (BESIDE / kind).mkdir(parents=True, exist_ok=True)
    (BESIDE / kind / name).write_bytes(data)


def saved(save: Callable[[Any], object]) -> bytes:
    """What ``save`` writes into a file."""
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


def from_numpy() -> None:
    """npz, npy, and the pickles that numpy's arrays give."""
    arrays = {"a": np.arange(3, dtype="f4"), "b": np.ones((1, 2), "i8")}
    keep("npz", "stored", saved(lambda file: np.savez(file, **arrays)))
    keep("npz", "deflated", saved(lambda file: np.savez_compressed(file, **arrays)))
    keep("npz", "empty", saved(np.savez))
    keep("npy", "plain", saved(lambda file: np.save(file, arrays["a"])))
    keep("npy", "fortran", saved(lambda file: np.save(file, np.asfortranarray(np.ones((2, 3))))))
    for protocol in (2, 3, 4, 5):
        tree = {"a": arrays["a"], "n": {"b": arrays["b"], "epoch": 3, "rate": 0.1}, "l": [np.float32(1), None, True]}
        keep("paddle", f"numpy-{protocol}", pickle.dumps(tree, protocol))
    pieces = {"w@@.0": np.ones(2), "w@@.1": np.ones(2)}
    table = {"w": {"OriginShape": (2, 2), "slices": list(pieces)}}
    keep("paddle", "chunks", pickle.dumps(pieces | {"UnpackBigParamInfor@@": table}, 3))


def from_safetensors() -> None:
    """What the library safetensors writes."""
    from safetensors.numpy import save  # noqa: PLC0415

    arrays = {"a": np.arange(3, dtype="f4"), "b": np.ones((1, 2), "i8"), "none": np.ones((0, 2), "u1")}
    keep("safetensors", "plain", save(arrays, {"format": "np"}))
    keep("safetensors", "empty", save({}))
    index = {"metadata": {"total_size": 12}, "weight_map": {"a": "a.safetensors", "b": "b.safetensors"}}
    for name in "ab":
        lay("sharded", f"{name}.safetensors", save({name: np.ones(1, "f4")}))
    keep("sharded", "two", json.dumps(index).encode())


def from_torch() -> None:
    """torch.save: plain, shared, nested, and its format from before 1.6."""
    import torch  # noqa: PLC0415

    plain = {"a": torch.arange(3.0), "b": torch.ones(1, 2, dtype=torch.int64)}
    whole = torch.arange(6.0)
    shared = {"whole": whole, "view": whole[1:5:2], "wide": whole[:1].expand(4), "half": torch.ones(2).bfloat16()}
    nested = {"state_dict": torch.nn.Linear(1, 2).state_dict(), "epoch": 3, "size": torch.Size((1, 2))}
    typeless = {"u": torch.ones(2, dtype=torch.uint16), "p": torch.nn.Parameter(torch.ones(1))}
    for name, tree in {"plain": plain, "shared": shared, "nested": nested, "typeless": typeless}.items():
        data = saved(lambda file, tree=tree: torch.save(tree, file))
        keep("torch", name, data)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            keep("torch-pickle", name, archive.read(f"{archive.namelist()[0].partition('/')[0]}/data.pkl"))
    for name, tree in {"plain": plain, "shared": shared}.items():
        old = saved(lambda file, tree=tree: torch.save(tree, file, _use_new_zipfile_serialization=False))
        keep("torch-legacy", name, old)


def from_paddle() -> None:
    """paddle.save: a state dict and a nested object."""
    import paddle  # noqa: PLC0415

    state = paddle.nn.Linear(1, 2).state_dict()
    for protocol in (2, 4):
        keep("paddle", f"state-{protocol}", saved(lambda file, p=protocol: paddle.save(state, file, protocol=p)))
    nested = {"model": state, "epoch": 3, "tensors": [paddle.ones([2])]}
    keep("paddle", "nested", saved(lambda file: paddle.save(nested, file)))


def from_paddle_program() -> None:
    """paddle.jit.save with a program in JSON: each part a seed, the other beside it."""
    import paddle  # noqa: PLC0415

    spec = [paddle.static.InputSpec([None, 1], "float32", name="x")]
    with TemporaryDirectory() as folder:
        layer = paddle.jit.to_static(paddle.nn.Linear(1, 2), input_spec=spec, full_graph=True)
        paddle.jit.save(layer, f"{folder}/input")
        program, weights = (Path(folder, f"input.{suffix}").read_bytes() for suffix in ("json", "pdiparams"))
    for kind, seed, name, beside in (
        ("paddle-program", program, "input.pdiparams", weights),
        ("paddle-weights", weights, "input.json", program),
    ):
        keep(kind, "linear", seed)
        lay(kind, name, beside)


def from_paddle_old_program() -> None:
    """The same with a program in protobuf, of one addition: FLAGS_enable_pir_api=0, as Paddle 2 wrote it."""
    os.environ["FLAGS_enable_pir_api"] = "0"  # noqa: SIM112 - so it is spelt
    import paddle  # noqa: PLC0415

    class Sum(paddle.nn.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.weight = self.create_parameter([2])

        def forward(self, values: Any) -> Any:
            return values + self.weight

    with TemporaryDirectory() as folder:
        spec = [paddle.static.InputSpec([2], "float32", name="x")]
        layer = paddle.jit.to_static(Sum(), input_spec=spec, full_graph=True)
        paddle.jit.save(layer, f"{folder}/input", clip_extra=True)
        from paddle.base.proto import framework_pb2  # noqa: PLC0415

        program = framework_pb2.ProgramDesc.FromString(Path(folder, "input.pdmodel").read_bytes())
        del program.blocks[0].ops[:]  # each carries its call stack: 5 KB
        keep("paddle-proto", "sum", program.SerializeToString())
        lay("paddle-proto", "input.pdiparams", Path(folder, "input.pdiparams").read_bytes())


def from_tensorflow() -> None:
    """An index of tf.train.Checkpoint's, its data beside it."""
    import tensorflow as tf  # noqa: PLC0415

    with TemporaryDirectory() as folder:
        values = {"a": tf.Variable([1.0, 2.0]), "b": tf.Variable([[3]])}
        written = Path(tf.train.Checkpoint(**values).write(f"{folder}/input"))
        keep("tensorflow", "checkpoint", written.with_suffix(".index").read_bytes())
        data = "input.data-00000-of-00001"
        lay("tensorflow", data, Path(folder, data).read_bytes())


def from_onnx() -> None:
    """A model of one initialiser as raw bytes and one as numbers."""
    from onnx import TensorProto, helper, numpy_helper  # noqa: PLC0415

    raw = numpy_helper.from_array(np.arange(3, dtype="f4"), "a")
    typed = helper.make_tensor("b", TensorProto.INT64, (1, 2), [1, -1])
    graph = helper.make_graph([], "g", [], [], [raw, typed])
    keep("onnx", "plain", helper.make_model(graph).SerializeToString())


def from_xframe() -> None:
    """Files by our own writers, and messages that no library is needed for."""
    from xframe import checkpoints  # noqa: PLC0415
    from xframe.tensors import TensorSpec  # noqa: PLC0415

    tensor = checkpoints.Outgoing(TensorSpec("a", (2,), "float32"), lambda: np.ones(2, "f4"))
    for kind in ("torch", "paddle", "safetensors", "npz"):
        path = SEEDS / kind / "xframe"
        checkpoints.write(path, kind, [tensor])
        keep(kind, "xframe", path.read_bytes())
    keep("protobuf", "fields", bytes.fromhex("0801 1202 0102 1d00000000 210000000000000000 a206 03 080110"))


MAKERS = {
    "numpy": from_numpy,
    "safetensors": from_safetensors,
    "torch": from_torch,
    "paddle": from_paddle,
    "paddle-program": from_paddle_program,
    "paddle-old-program": from_paddle_old_program,
    "tensorflow": from_tensorflow,
    "onnx": from_onnx,
    "xframe": from_xframe,
}


def main(names: list[str]) -> None:
    """One library in this process; several in one each."""
    if len(names) == 1:
        try:
            MAKERS[names[0]]()
        except ModuleNotFoundError as error:
            print(f"{names[0]}: left out, {error}")
        return
    for name in names or MAKERS:
        subprocess.run([sys.executable, "-m", "fuzz.make_seeds", name], check=True)  # noqa: S603 - ourselves


if __name__ == "__main__":
    main(sys.argv[1:])
