"""Print facts about the zoo's Paddle networks as one line of JSON."""

import doctest
import json
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import operators_paddle
import paddle

from xframe.zoo.lenet import paddle as lenet
from xframe.zoo.operators import paddle as operators
from xframe.zoo.resnet import paddle as resnet


def tensors(model):
    """Name to shape, trainable tensors and running statistics apart: paddle counts both as parameters."""
    state = model.state_dict().items()
    return {
        "trainable": {name: list(tensor.shape) for name, tensor in state if not tensor.stop_gradient},
        "statistics": {name: list(tensor.shape) for name, tensor in state if tensor.stop_gradient},
    }


def facts(model, *inputs):
    """The tensors of `model` and the shape and dtype of its output for each shape in `inputs`."""
    model.eval()
    with paddle.no_grad():
        outputs = [model(paddle.zeros(shape, dtype="float64")) for shape in inputs]
    return tensors(model) | {"outputs": [[list(output.shape), str(output.dtype)] for output in outputs]}


def batch_norms(model):
    """Epsilon and momentum of every batch norm."""
    layers = [layer for layer in model.sublayers() if isinstance(layer, paddle.nn.BatchNorm2D)]
    return sorted({(layer._epsilon, layer._momentum) for layer in layers})


def without_gradient(model):
    """Trainable tensors that the output does not depend on."""
    model(paddle.randn([2, 1, 32, 32], dtype="float64")).square().sum().backward()
    return [name for name, tensor in model.named_parameters() if not tensor.stop_gradient and tensor.grad is None]


def onnx_distance(model, batch):
    """Largest difference between `model` and its ONNX export of any batch size."""
    model.eval()
    images = np.random.default_rng(0).normal(size=(batch, 1, 32, 32)).astype("float32")
    with tempfile.TemporaryDirectory() as folder:
        spec = [paddle.static.InputSpec([-1, 1, 32, 32], "float32", "images")]
        paddle.onnx.export(model, str(Path(folder) / "model"), input_spec=spec, opset_version=17)
        session = onnxruntime.InferenceSession(Path(folder) / "model.onnx")
    (exported,) = session.run(None, {"images": images})
    return float(np.abs(exported - model(paddle.to_tensor(images)).numpy()).max())


paddle.seed(0)
single = {
    "doctests": [list(doctest.testmod(module)) for module in (lenet, operators, resnet)],
    "onnx": onnx_distance(lenet.lenet5_maxavg_custom(), batch=3),
}
paddle.set_default_dtype("float64")
double = {
    "lenet5_maxavg": facts(lenet.lenet5_maxavg(), [2, 1, 32, 32]),
    "lenet5_maxavg_custom": facts(lenet.lenet5_maxavg_custom(), [2, 1, 32, 32]),
    "resnet18": facts(paddle.vision.models.resnet18(), [1, 3, 224, 224], [1, 3, 96, 96]),
    "resnet18_custom": facts(resnet.resnet18_custom(), [1, 3, 224, 224], [1, 3, 96, 96]),
    "resnet18_custom small": facts(resnet.resnet18_custom(in_channels=1, num_classes=10), [2, 1, 32, 32]),
    "batch_norms": batch_norms(resnet.resnet18_custom()),
    "without gradient": without_gradient(resnet.resnet18_custom(1, 10)),
    "without gradient or residual": without_gradient(resnet.resnet18_custom(1, 10, use_residual=False)),
}
print(json.dumps(single | double | {"operators": operators_paddle.facts()}))
