"""Print facts about the zoo's Keras networks as one line of JSON."""

import doctest
import json

import keras
import numpy as np

from xframe.frameworks.keras.model import keep_float64
from xframe.zoo.lenet import keras as lenet
from xframe.zoo.resnet import keras as resnet


def tensors(model):
    """Path to shape, trainable tensors and running statistics apart."""
    return {
        "trainable": {variable.path: list(variable.shape) for variable in model.trainable_variables},
        "statistics": {variable.path: list(variable.shape) for variable in model.non_trainable_variables},
    }


def facts(model, *inputs):
    """The tensors of `model` and the shape and dtype of its output for each shape in `inputs`."""
    outputs = [model(np.zeros(shape)) for shape in inputs]
    return tensors(model) | {
        "layers": [layer.name for layer in model.layers],
        "outputs": [[list(output.shape), keras.backend.standardize_dtype(output.dtype)] for output in outputs],
    }


def batch_norms(model):
    """Epsilon and momentum of every batch norm."""
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    return sorted({(layer.epsilon, layer.momentum) for layer in layers})


def float64_digits(model):
    """How far the output moves with a change of the image that float32 cannot hold."""
    image = np.random.default_rng(0).normal(size=(1, *(size or 32 for size in model.input_shape[1:])))
    return float(keras.ops.max(keras.ops.abs(model(image) - model(image * (1 + 1e-12)))))


single = facts(lenet.lenet5_maxavg(), (2, 32, 32, 1))["outputs"]
doctests = [list(doctest.testmod(module)) for module in (lenet, resnet)]
keep_float64()  # as a worker does; other backends than tensorflow would compute in float32
keras.config.set_dtype_policy("float64")
print(
    json.dumps(
        {
            "doctests": doctests,
            "lenet5_maxavg float32": single,
            "lenet5_maxavg": facts(lenet.lenet5_maxavg(), (2, 32, 32, 1)),
            "resnet18": facts(resnet.resnet18(), (1, 224, 224, 3), (1, 96, 96, 3)),
            "resnet18 small": facts(resnet.resnet18(in_channels=1, num_classes=10), (2, 32, 32, 1)),
            "batch_norms": batch_norms(resnet.resnet18()),
            "float64 digits": [float64_digits(lenet.lenet5_maxavg()), float64_digits(resnet.resnet18())],
        }
    )
)
