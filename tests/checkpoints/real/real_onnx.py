"""Run with a folder and who shall write into it: onnx, or a framework's exporter. onnx says what is in a file."""

import sys
from pathlib import Path

import numpy as np
import onnx
from exchange import tell, told
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data

NAMES = {
    TensorProto.BFLOAT16: "bfloat16", TensorProto.FLOAT8E4M3FN: "float8_e4m3fn", TensorProto.FLOAT8E5M2: "float8_e5m2",
}  # fmt: skip
DTYPES = ["FLOAT", "UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "BOOL", "FLOAT16", "DOUBLE", "UINT32",
          "UINT64", "COMPLEX64", "COMPLEX128", "BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E5M2"]  # fmt: skip
REFUSED = ["UINT4", "INT4", "FLOAT8E4M3FNUZ", "FLOAT8E5M2FNUZ", "STRING"]


def array_of(tensor):
    """As onnx reads it; onnx 1.17 fails for a complex tensor in a typed field, and means this."""
    if tensor.data_type == TensorProto.COMPLEX64 and not tensor.HasField("raw_data"):
        return np.array(tensor.float_data, "f4").view("c8").reshape(tensor.dims)
    if tensor.data_type == TensorProto.COMPLEX128 and not tensor.HasField("raw_data"):
        return np.array(tensor.double_data, "f8").view("c16").reshape(tensor.dims)
    return numpy_helper.to_array(tensor)


def one(tensor):
    """As onnx reads it; where onnx would widen the dtype, the bits."""
    if tensor.data_type not in NAMES:
        array = array_of(tensor)
        return told(array.dtype, array.shape, array.tobytes())
    width = np.uint16 if tensor.data_type == TensorProto.BFLOAT16 else np.uint8
    data = tensor.raw_data or np.array(tensor.int32_data).astype(width).tobytes()
    return told(NAMES[tensor.data_type], tensor.dims, data)


def model(tensors, nodes=None):
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    nodes = nodes or [helper.make_node("Identity", [tensors[0].name], ["y"])]
    graph = helper.make_graph(nodes, "g", [], [output], tensors)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.example", 3)]
    made = helper.make_model(graph, opset_imports=opsets, producer_name="me", producer_version="1.5", ir_version=8)
    helper.set_model_props(made, {"author": "ü", "epoch": "3"})
    return made


def values(code, count):
    """Extremes, negatives and zeros."""
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(code))
    if code in NAMES or dtype.kind in "fc":
        return (np.arange(count) - count // 2).astype("f4").astype(dtype if dtype.kind == "c" else "f4")
    if dtype.kind == "b":
        return np.arange(count) % 2 == 0
    info = np.iinfo(dtype)
    return np.array([info.min, info.max, 0, 1, *range(2, 100)][:count], dtype)


def save(folder, name, made, **options):
    tensors = {tensor.name: one(tensor) for tensor in made.graph.initializer}
    onnx.save(made, folder / name, **options)
    tell(folder, name, tensors)


def library(folder):
    typed, raw = [], []
    for name in DTYPES:
        code = getattr(TensorProto, name)
        for shape in ((), (5,), (2, 3), (0, 3)):
            array = values(code, int(np.prod(shape)))
            made = helper.make_tensor(f"{name}{shape}", code, shape, array)
            typed.append(made)
            bits = np.array(made.int32_data).astype("u2" if code == TensorProto.BFLOAT16 else "u1")
            data = bits.tobytes() if code in NAMES else array_of(made).tobytes()
            raw.append(helper.make_tensor(f"{name}{shape}", code, shape, data, raw=True))
    save(folder, "typed.onnx", model(typed))
    save(folder, "raw.onnx", model(raw))
    many = np.random.default_rng(7).integers(-(2**63), 2**63, 300_000)
    save(folder, "many.onnx", model([helper.make_tensor("many", TensorProto.INT64, (1000, 300), many)]))
    options = {"save_as_external_data": True, "size_threshold": 0}
    dense = [tensor for tensor in raw if tensor.raw_data]
    save(folder, "one.onnx", model(dense), all_tensors_to_one_file=True, location="one.data", **options)
    (folder / "each").mkdir()
    named = [numpy_helper.from_array(np.arange(6.0) * index, f"t{index}") for index in range(3)]
    save(folder / "each", "each.onnx", model(named), all_tensors_to_one_file=False, **options)
    bare(folder)
    nested(folder)
    (folder / "refused").mkdir()
    for name in REFUSED:
        made = helper.make_tensor(name, getattr(TensorProto, name), (2,), [b"a", b"b"] if name == "STRING" else [0, 1])
        onnx.save(model([made]), folder / "refused" / f"{name}.onnx")
    sparse = helper.make_sparse_tensor(
        helper.make_tensor("v", TensorProto.FLOAT, (1,), [1.0]),
        helper.make_tensor("i", TensorProto.INT64, (1,), [1]),
        [4],
    )
    made = model(named)
    made.graph.sparse_initializer.append(sparse)
    onnx.save(made, folder / "refused" / "sparse.onnx")


def bare(folder):
    """External data with a location alone: the whole file, in a folder of its own."""
    tensor = numpy_helper.from_array(np.arange(7, dtype="i2"), "bare")
    told_first = {"bare": one(tensor)}
    (folder / "sub").mkdir()
    (folder / "sub" / "bare.data").write_bytes(tensor.raw_data)
    set_external_data(tensor, "sub/bare.data")
    tensor.ClearField("raw_data")
    (folder / "bare.onnx").write_bytes(model([tensor]).SerializeToString())
    assert numpy_helper.to_array(onnx.load(folder / "bare.onnx").graph.initializer[0]).tolist() == list(range(7))
    tell(folder, "bare.onnx", told_first)


def nested(folder):
    """A Constant in the main graph, and an If whose branches hold an initialiser and a Constant."""
    inner = numpy_helper.from_array(np.ones(2, "f4"), "inner")
    output = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.ones(3, "f4"), "c"))
    then = helper.make_graph([constant, helper.make_node("Identity", ["inner"], ["z"])], "then", [], [output], [inner])
    nodes = [constant, helper.make_node("If", ["w"], ["y"], then_branch=then, else_branch=then)]
    save(folder, "nested.onnx", model([numpy_helper.from_array(np.array(True), "w")], nodes))


def torch(folder):
    import torch

    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(144, 2)
    )
    for name, external in (("torch.onnx", False), ("external.onnx", True)):
        torch.onnx.export(
            net.eval(),
            (torch.ones(1, 3, 8, 8),),
            str(folder / name),
            dynamo=True,
            external_data=external,
            verbose=False,
        )
        exported(folder, name)


def paddle(folder):
    import paddle

    net = paddle.nn.Sequential(
        paddle.nn.Conv2D(3, 4, 3), paddle.nn.BatchNorm2D(4), paddle.nn.Flatten(), paddle.nn.Linear(144, 2)
    )
    net.eval()
    spec = paddle.static.InputSpec([None, 3, 8, 8], "float32", "input")
    paddle.onnx.export(net, str(folder / "paddle"), input_spec=[spec], opset_version=17)
    exported(folder, "paddle.onnx")


def keras(folder):
    import keras

    layers = [
        keras.layers.Conv2D(4, 3),
        keras.layers.BatchNormalization(),
        keras.layers.Flatten(),
        keras.layers.Dense(2),
    ]
    net = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    signature = [keras.InputSpec(shape=(None, 8, 8, 3), dtype="float32", name="input")]
    net.export(str(folder / "keras.onnx"), format="onnx", verbose=False, input_signature=signature)
    exported(folder, "keras.onnx")


def exported(folder, name):
    loaded = onnx.load(folder / name)
    tell(folder, name, {tensor.name: one(tensor) for tensor in loaded.graph.initializer})


globals()[sys.argv[2]](Path(sys.argv[1]))
