"""One case a row of the table in docs/migrating-from-paddle-to-torch.md, Paddle's side. Prints one JSON object.

A cell's code stands in its case word by word: tests/docs/test_layer_table.py looks for it.
"""

import inspect
import json
import sys

import numpy as np
import paddle
from paddle import nn


def values(*shape):
    return np.sin(np.arange(1, np.prod(shape) + 1, dtype=np.float64)).reshape(shape)


def tensor(*shape):
    return paddle.to_tensor(values(*shape))


def filled(layer):
    """The layer in float64 with weights that both sides know; a matrix is given as in × out."""
    layer.to(dtype="float64")
    for parameter in layer.parameters():
        parameter.set_value(values(*parameter.shape))
    return layer


def base_class():
    return issubclass(nn.Linear, nn.Layer)


def convolution():
    layer = nn.Conv2D(3, 8, 5, stride=2, padding=2)
    return {"shape": layer.weight.shape, "out": filled(layer)(tensor(2, 3, 9, 9)).tolist()}


def without_bias():
    layers = [nn.Conv2D(3, 8, 5, bias_attr=False), nn.Linear(3, 8, bias_attr=False)]
    return {"none": [layer.bias is None for layer in layers], "default": nn.Conv2D(3, 8, 5).bias.shape}


def linear():
    layer = nn.Linear(3, 5)
    return {"shape": layer.weight.shape, "out": filled(layer)(tensor(2, 3)).tolist()}


def batch_norm():
    layer = nn.BatchNorm2D(8)
    argument = nn.BatchNorm2D(8, epsilon=1e-3)
    return {"epsilon": layer._epsilon, "set": argument._epsilon, "names": list(layer.state_dict())}


def epsilon_in_float64():
    layer = nn.BatchNorm2D(3, epsilon=1e-5).to(dtype="float64")
    layer.eval()
    layer._variance.set_value(np.full(3, 1e-6))
    out, x = layer(tensor(2, 3, 4, 4)).numpy(), values(2, 3, 4, 4)
    return {
        name: float(np.abs(out - x / np.sqrt(1e-6 + epsilon)).max() / np.abs(out).max())
        for name, epsilon in (("float64", 1e-5), ("float32", float(np.float32(1e-5))))
    }


def momentum():
    layer = nn.BatchNorm2D(3, momentum=0.9).to(dtype="float64")
    layer(tensor(2, 3, 2, 2))
    return {"default": nn.BatchNorm2D(3)._momentum, "set": layer._momentum, "mean": layer._mean.tolist()}


def running_variance():
    layer = nn.BatchNorm2D(3, momentum=0.9).to(dtype="float64")
    layer(tensor(2, 3, 2, 2))
    return {"variance": layer._variance.tolist()}


def max_pool():
    layer = nn.MaxPool2D(3, stride=2, padding=1)
    return layer(tensor(2, 3, 9, 9)).tolist()


def average_pool():
    x = tensor(1, 1, 4, 4)
    return {
        "plain": nn.AvgPool2D(2, stride=2)(x).tolist(),
        "padded": nn.AvgPool2D(2, padding=1)(x).tolist(),
        "alike": nn.AvgPool2D(2, padding=1, exclusive=True)(x).tolist(),
        "default": inspect.signature(nn.AvgPool2D).parameters["exclusive"].default,
    }


def adaptive_pool():
    layer = nn.AdaptiveAvgPool2D(1)
    return layer(tensor(2, 3, 5, 7)).tolist()


def flatten():
    x = tensor(2, 3, 2, 2)
    return {"layer": nn.Flatten()(x).tolist(), "function": paddle.flatten(x, 1).tolist(), "all": x.flatten().shape}


def relu():
    layer = nn.ReLU()
    return layer(tensor(6)).tolist()


def trained_or_frozen():
    layer = nn.Linear(2, 2)
    before = layer.weight.stop_gradient
    layer.weight.stop_gradient = True
    layer(paddle.ones([1, 2])).sum().backward()
    return {"trained": not before, "frozen": layer.weight.grad is None, "other": layer.bias.grad is not None}


def new_tensor():
    return {"gradient": not paddle.to_tensor([1.0]).stop_gradient}


def no_gradient():
    layer = nn.Linear(2, 2)
    with paddle.no_grad():
        out = layer(paddle.ones([1, 2]))
    return {"gradient": not out.stop_gradient}


def evaluation():
    model = nn.Sequential(nn.Linear(2, 2))
    before = model.training
    model.eval()
    return {"before": before, "after": [model.training, model[0].training]}


def parameters():
    model = nn.BatchNorm2D(8)
    return {"count": len(list(model.parameters())), "trained": sum(not p.stop_gradient for p in model.parameters())}


def embedding():
    return nn.Embedding(7, 4).weight.shape


CASES = [
    base_class, convolution, without_bias, linear, batch_norm, epsilon_in_float64, momentum, running_variance, max_pool,
    average_pool, adaptive_pool, flatten, relu, trained_or_frozen, new_tensor, no_gradient, evaluation, parameters,
    embedding,
]  # fmt: skip

if __name__ == "__main__":
    json.dump({case.__name__: case() for case in CASES}, sys.stdout)
