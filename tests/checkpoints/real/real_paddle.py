"""Run with two folders: Paddle loads what xframe wrote into the first, and writes its own files into the second.

Run with a folder and a word: Paddle writes what that word stands for, `forms` of paddle.save or `inference` models.
"""

import inspect
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
    """As numpy has it, but for uint16, which Paddle reads as bfloat16."""
    array = np.asarray(value)
    return told("bfloat16" if array.dtype == np.uint16 else array.dtype, array.shape, array.tobytes())


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


def forms(theirs):
    """What paddle.save writes besides a state dict, and what it makes of it: ``paddle.load`` is asked."""
    half = paddle.arange(6).reshape([2, 3]).astype("bfloat16")
    schedule = paddle.optimizer.lr.StepDecay(0.1, 2)
    mixed = paddle.optimizer.AdamW(schedule, parameters=[half_parameter()], multi_precision=True)
    mixed._create_master_weight(mixed._parameter_list[0])  # a step in bfloat16 would: no CPU has a kernel for it
    trees = {
        "single": half, "list": [half, paddle.zeros([0, 3]), paddle.to_tensor(True)], "tuple": (half, half),
        "deep": {"a": {"b": [{"c": half}, {"c": paddle.to_tensor(2.5)}]}, "n": 3},
        "uint16": {"plain": np.arange(4, dtype="u2")}, "master": mixed.state_dict(),
        "float8": {"a": paddle.ones([3]).astype("float8_e4m3fn")},
    }  # fmt: skip
    for name, tree in trees.items():
        for protocol in (2, 3, 4):
            path = theirs / f"{name}{protocol}.pdparams"
            paddle.save(tree, str(path), protocol=protocol)
            tell(theirs, path.name, dict(leaves("", paddle.load(str(path)))))
    chunked(theirs)
    paddle.save(half.value().get_tensor(), str(theirs / "dense.pdparams"))
    paddle.save(half, str(theirs / "binary.pdparams"), use_binary_format=True)


def half_parameter():
    parameter = paddle.create_parameter([2, 3], "float32").astype("bfloat16")
    created = paddle.base.framework.EagerParamBase.from_tensor(parameter)
    created.stop_gradient = False
    return created


def leaves(prefix, tree):
    if isinstance(tree, paddle.Tensor):
        yield prefix or tree.name, one(tree)
    elif isinstance(tree, dict | list | tuple):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(f"{prefix}.{key}" if prefix else str(key), value)


def chunked(theirs):
    """Paddle's own code that cuts arrays of over 2**30 - 1 bytes, with 63 in place of that number."""
    source = inspect.getsource(paddle.framework.io_utils._unpack_saved_dict)
    assert source.count("2**30 - 1") == 1
    exec(source.replace("2**30 - 1", "63"), vars(paddle.framework.io_utils))
    paddle.framework.io._unpack_saved_dict = paddle.framework.io_utils._unpack_saved_dict
    state = {
        "wide": paddle.arange(60, dtype="float32").reshape([3, 20]), "half": paddle.arange(80).astype("bfloat16"),
        "small": paddle.ones([3]), "double": paddle.arange(8, dtype="float64").reshape([2, 2, 2]),
    }  # fmt: skip
    for protocol in (2, 3, 4):
        path = theirs / f"chunked{protocol}.pdparams"
        paddle.save(state, str(path), protocol=protocol)
        assert (b"UnpackBigParamInfor@@" in path.read_bytes()) == (protocol < 4)
        tell(theirs, path.name, {name: one(tensor) for name, tensor in paddle.load(str(path)).items()})


class Net(paddle.nn.Layer):
    """Buffers of every dtype, so many that the order of their names is not that of their numbers."""

    def __init__(self):
        super().__init__()
        for dtype in [*DTYPES, "bfloat16", "float8_e4m3fn", "float8_e5m2"]:
            values = paddle.arange(6, dtype="float32").reshape([2, 3])
            self.register_buffer(f"held_{dtype}", values.astype(dtype))
        self.register_buffer("zero", paddle.to_tensor(3.0))
        self.body = paddle.nn.Sequential(paddle.nn.Linear(4, 5), paddle.nn.BatchNorm1D(5))
        self.unused = paddle.nn.Linear(2, 2)

    def forward(self, x):
        held = [buffer for name, buffer in self.named_buffers(include_sublayers=False)]
        return sum([buffer.astype("float32").mean() for buffer in held], self.body(x))


def inference(theirs):
    """A layer by jit.save, a program by save_inference_model; what is in them Paddle said before it saved them."""
    net = Net()
    net.eval()
    paddle.jit.save(net, str(theirs / "net"), input_spec=[paddle.static.InputSpec([None, 4], "float32", "x")])
    saved = {name: tensor for name, tensor in net.state_dict().items() if not name.startswith("unused")}
    tell(theirs, "net.by_state_dict", {name: one(tensor) for name, tensor in saved.items()})
    tell(theirs, "net.by_program", {tensor.name: one(tensor) for tensor in saved.values()})
    paddle.enable_static()
    main, startup = paddle.static.Program(), paddle.static.Program()
    with paddle.static.program_guard(main, startup):
        x = paddle.static.data("x", [None, 4], "float32")
        y = paddle.static.nn.fc(x, 5)
        paddle.optimizer.Adam().minimize(y.mean())
        executor = paddle.static.Executor(paddle.CPUPlace())
        executor.run(startup)
        for name, options in (("static", {}), ("whole", {"skip_prune_program": True})):
            paddle.static.save_inference_model(str(theirs / name), [x], [y], executor, program=main, **options)
        if paddle.framework.in_pir_mode():
            for name, options in (("readable", {"readable": True}), ("frozen", {"trainable": False})):
                paddle.static.save_inference_model(str(theirs / name), [x], [y], executor, program=main, **options)
        paddle.static.save(main, str(theirs / "training"))
    state = {**main.state_dict("param"), **main.state_dict("opt")}
    tell(theirs, "static.state", {name: one(np.asarray(tensor)) for name, tensor in state.items()})


if sys.argv[2] in {"forms", "inference"}:
    globals()[sys.argv[2]](Path(sys.argv[1]))
else:
    load(Path(sys.argv[1]))
    save(Path(sys.argv[2]))
