"""Run with two folders: Paddle loads what xframe wrote into the first, and writes its own files into the second."""

import pickle
import sys
from pathlib import Path

import numpy as np
import paddle
from exchange import tell, told

DTYPES = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]


def one(value):
    array = np.asarray(value)
    return told(getattr(value, "dtype", array.dtype), array.shape, array.tobytes())


def stored(value):
    """As the file has it: bfloat16 is stored as uint16."""
    array = np.asarray(value)
    return told(array.dtype, array.shape, array.tobytes())


def load(ours):
    for path in sorted(ours.glob("*.pdparams")):
        tell(ours, path.name, {name: one(tensor) for name, tensor in paddle.load(str(path)).items()})


def save(theirs):
    paddle.seed(7)
    net = paddle.nn.Sequential(paddle.nn.Conv2D(3, 4, 3), paddle.nn.BatchNorm2D(4), paddle.nn.Linear(4, 5))
    state = net.state_dict()
    for protocol in (2, 3, 4):
        paddle.save(state, str(theirs / f"net{protocol}.pdparams"), protocol=protocol)
        tell(theirs, f"net{protocol}.pdparams", {name: stored(tensor) for name, tensor in state.items()})
    plain = {name: tensor.numpy() for name, tensor in state.items()} | {
        "empty": np.zeros((0, 3), "f4"),
        "zero": np.array(3.0),
    }
    (theirs / "net5.pdparams").write_bytes(pickle.dumps(plain, protocol=5))
    tell(theirs, "net5.pdparams", {name: stored(array) for name, array in plain.items()})
    save_odd(theirs)
    save_optimizer(theirs)


def save_odd(theirs):
    odd = {f"ü/{name}": paddle.to_tensor(np.arange(6).astype(name).reshape(2, 3)) for name in DTYPES}
    odd |= {"zero": paddle.to_tensor(3.0), "empty": paddle.zeros([0, 3]), "half": paddle.ones([3]).astype("bfloat16")}
    for protocol in (2, 4):
        paddle.save(odd, str(theirs / f"odd{protocol}.pdparams"), protocol=protocol)
        tell(theirs, f"odd{protocol}.pdparams", {name: stored(tensor) for name, tensor in odd.items()})
    nested = {"model": {"a": odd["zero"], "b": [odd["half"]]}, "fortran": np.asfortranarray(plain_array()), "epoch": 3}
    paddle.save(nested, str(theirs / "nested.pdparams"))
    flat = {"model.a": odd["zero"], "model.b.0": odd["half"], "fortran": plain_array()}
    tell(theirs, "nested.pdparams", {name: stored(tensor) for name, tensor in flat.items()})


def plain_array():
    return np.arange(24.0).reshape(2, 3, 4)


def save_optimizer(theirs):
    layer = paddle.nn.Linear(2, 3)
    schedule = paddle.optimizer.lr.StepDecay(0.1, 2)
    adam = paddle.optimizer.Adam(schedule, parameters=layer.parameters())
    layer(paddle.ones([4, 2])).sum().backward()
    adam.step()
    state = adam.state_dict()
    paddle.save(state, str(theirs / "adam.pdopt"))
    tell(
        theirs, "adam.pdopt", {name: stored(value) for name, value in state.items() if isinstance(value, paddle.Tensor)}
    )


load(Path(sys.argv[1]))
save(Path(sys.argv[2]))
