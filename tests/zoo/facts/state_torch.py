"""Print facts about the zoo's torch networks as one line of JSON."""

import doctest
import json

import torch

from xframe.zoo.lenet import torch as lenet
from xframe.zoo.resnet import torch as resnet


def tensors(model):
    """Name to shape, trainable tensors and running statistics apart."""
    steps = "num_batches_tracked"
    return {
        "trainable": {name: list(tensor.shape) for name, tensor in model.named_parameters()},
        "statistics": {name: list(tensor.shape) for name, tensor in model.named_buffers() if steps not in name},
    }


def facts(model, *inputs):
    """The tensors of `model` and the shape and dtype of its output for each shape in `inputs`, in float64."""
    model = model.double().eval()
    with torch.no_grad():
        outputs = [model(torch.zeros(shape, dtype=torch.float64)) for shape in inputs]
    return tensors(model) | {"outputs": [[list(output.shape), str(output.dtype)] for output in outputs]}


def batch_norms(model):
    """Epsilon and momentum of every batch norm."""
    layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    return sorted({(layer.eps, layer.momentum) for layer in layers})


print(
    json.dumps(
        {
            "doctests": [list(doctest.testmod(module)) for module in (lenet, resnet)],
            "lenet5_maxavg": facts(lenet.lenet5_maxavg(), (2, 1, 32, 32)),
            "resnet18": facts(resnet.resnet18(), (1, 3, 224, 224), (1, 3, 96, 96)),
            "resnet18 small": facts(resnet.resnet18(in_channels=1, num_classes=10), (2, 1, 32, 32)),
            "batch_norms": batch_norms(resnet.resnet18()),
        }
    )
)
