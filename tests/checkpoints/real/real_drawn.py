"""Run with a folder and frameworks: each writes the tensors that it finds in its subfolder.

``cases.json`` lists name, shape and dtype; ``cases.bin`` has the bits, one tensor behind the other.
"""

import json
import sys
from pathlib import Path

import numpy as np


def cases():
    """Name, shape, dtype and values of every tensor; float8 and bfloat16 as ml_dtypes has them."""
    import ml_dtypes

    data, position = (folder / "cases.bin").read_bytes(), 0
    for name, shape, dtype in json.loads((folder / "cases.json").read_text()):
        kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
        count = int(np.prod(shape, dtype=np.int64))
        values = np.frombuffer(data, kind, count, position).reshape(shape)
        position += values.nbytes
        yield name, tuple(shape), dtype, values


def tensorflow():
    import tensorflow as tf

    names, _, _, values = zip(*cases(), strict=True)
    tf.raw_ops.SaveV2(
        prefix=str(folder / "drawn"), tensor_names=names, shape_and_slices=[""] * len(names), tensors=values
    )


def keras():
    """A layer a tensor."""
    import keras

    class Holds(keras.layers.Layer):
        def __init__(self, shape, dtype, values, **options):
            super().__init__(**options)
            self.held = self.add_weight(shape=shape, dtype=dtype, initializer="zeros", trainable=False)
            self.held.assign(values)

        def call(self, inputs):
            return inputs

        def get_config(self):
            return {"name": self.name}

    layers = [Holds(shape, dtype, values, name=name) for name, shape, dtype, values in cases()]
    model = keras.Sequential([keras.Input((1,)), *layers])
    model.save_weights(folder / "drawn.weights.h5")
    model.save(folder / "drawn.keras")


def onnx():
    """Half of them as raw bytes, half in typed fields, where onnx can."""
    import onnx
    from onnx import TensorProto, helper

    codes = {
        "bool": "BOOL", "float32": "FLOAT", "float64": "DOUBLE", "bfloat16": "BFLOAT16", "float16": "FLOAT16",
        "float8_e4m3fn": "FLOAT8E4M3FN", "float8_e5m2": "FLOAT8E5M2",
    }  # fmt: skip
    tensors = []
    for index, (name, shape, dtype, values) in enumerate(cases()):
        code = getattr(TensorProto, codes.get(dtype, dtype.upper()))
        raw = index % 2 == 0 or dtype.startswith(("bfloat", "float8", "float16"))  # which onnx rounds on their way
        tensors.append(helper.make_tensor(name, code, shape, values.tobytes() if raw else values.reshape(-1), raw=raw))
    graph = helper.make_graph([], "g", [], [], tensors)
    onnx.save(helper.make_model(graph, ir_version=8), folder / "drawn.onnx")


def paddle():
    """Buffers of a layer, as ``jit.save`` writes them."""
    import paddle

    class Net(paddle.nn.Layer):
        def __init__(self):
            super().__init__()
            for index, (name, _, dtype, values) in enumerate(cases()):
                bits = values.view("u2") if dtype == "bfloat16" else values
                tensor = paddle.to_tensor(bits, dtype=dtype) if dtype != "bfloat16" else paddle.Tensor(bits)
                tensor.name = name
                self.register_buffer(f"held{index}", tensor)

        def forward(self, x):
            return sum((held.astype("float32").sum() for held in self.buffers()), x)

    net = Net()
    net.eval()
    paddle.jit.save(net, str(folder / "drawn"), input_spec=[paddle.static.InputSpec([None, 4], "float32", "x")])


for framework in sys.argv[2:]:
    folder = Path(sys.argv[1], framework)
    globals()[framework]()
