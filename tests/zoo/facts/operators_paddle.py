"""Facts about our own operators in Paddle; the default dtype is float64 when they are stated."""

from itertools import product

import paddle
from paddle.nn import functional

from xframe.zoo.lenet.paddle import lenet5_maxavg, lenet5_maxavg_custom
from xframe.zoo.operators.paddle import Conv2D, Pool2D

GRID = [
    {"kernel_size": kernel_size, "stride": stride, "padding": padding}
    for kernel_size, stride, padding in product((1, 2, 3, 5), (1, 2, 3), (0, 1, 2))
]
POOLS = [window for window in GRID if 2 * window["padding"] <= window["kernel_size"]]


def images(*maps):
    """One image with the given channels."""
    return paddle.to_tensor([maps], dtype="float64")


def convolution(weight, **window):
    """A Conv2D with this weight."""
    weight = paddle.to_tensor(weight, dtype="float64")
    layer = Conv2D(weight.shape[1], weight.shape[0], weight.shape[2], **window)
    layer.weight.set_value(weight)
    return layer


def square(first, size):
    """`size` rows that count up from `first`."""
    return paddle.arange(first, first + size * size).reshape([size, size]).tolist()


def distance(got, expected):
    """Largest difference; shapes must agree. Maps of no elements are no comparison."""
    assert got.shape == expected.shape, f"{got.shape} instead of {expected.shape}"
    assert expected.size, "nothing to compare"
    return float((got - expected).abs().max())


def gradients(output, *tensors):
    """The gradients of a weighted sum of `output`, in which no two weights are alike."""
    weights = paddle.linspace(0.5, 1.5, output.size, dtype=output.dtype).reshape(output.shape)
    return paddle.grad((output * weights).sum(), list(tensors))


def apart(ours, theirs, *tensors):
    """Largest difference between two outputs and between their gradients."""
    pairs = zip([ours, *gradients(ours, *tensors)], [theirs, *gradients(theirs, *tensors)], strict=True)
    return max(distance(got, expected) for got, expected in pairs)


def conv2d_apart(dtype="float64", **window):
    """Conv2D against the framework's own convolution."""
    layer = Conv2D(3, 4, **window).to(dtype=dtype)
    layer.bias.set_value(paddle.randn([4, 1]).astype(dtype))
    x = paddle.randn([2, 3, 9, 8]).astype(dtype)
    x.stop_gradient = False
    theirs = functional.conv2d(x, layer.weight, layer.bias.flatten(), window["stride"], window["padding"])
    return apart(layer(x), theirs, x, layer.weight, layer.bias)


def max_pool_apart(x, **window):
    """Pool2D against the framework's own maximum."""
    return apart(Pool2D(**window, mode="max")(x), functional.max_pool2d(x, **window), x)


def avg_pool_apart(x, **window):
    """Pool2D against the framework's own mean, which counts the padding when it is not `exclusive`."""
    return distance(Pool2D(**window, mode="avg")(x), functional.avg_pool2d(x, **window, exclusive=False))


def mean_kernel_apart(x, **window):
    """Pool2D against a convolution by a constant: the gradient of avg_pool2d has the digits of float32 only."""
    size = window["kernel_size"]
    kernel = paddle.full([3, 1, size, size], 1 / size**2)
    theirs = functional.conv2d(x, kernel, None, window["stride"], window["padding"], groups=3)
    return apart(Pool2D(**window, mode="avg")(x), theirs, x)


def below_zero():
    """Images without a positive value: padding with zeros would win every maximum at the border."""
    x = -paddle.rand([2, 3, 9, 8]) - 1
    x.stop_gradient = False
    return x


def ties_apart(**window):
    """Pool2D against the framework's own maximum where a window holds it many times: who gets the gradient is free."""
    x = paddle.randint(0, 2, [2, 3, 9, 8]).astype("float64")
    x.stop_gradient = False
    ours, theirs = Pool2D(**window, mode="max")(x), functional.max_pool2d(x, **window)
    totals = [gradients(output, x)[0].sum() for output in (ours, theirs)]
    return max(distance(ours, theirs), distance(*totals))


def refusals():
    """What Pool2D says to arguments that make no pool."""
    messages = []
    for window in ({"mode": "min"}, {"padding": 2}):
        try:
            Pool2D(3, 2, **window)
        except ValueError as error:
            messages.append(str(error))
    return messages


def networks_apart():
    """LeNet-5 on the framework's layers and on ours, with the same weights."""
    theirs, ours = lenet5_maxavg(), lenet5_maxavg_custom()
    for name, tensor in ours.state_dict().items():
        tensor.set_value(theirs.state_dict()[name].reshape(tensor.shape))
    x = paddle.randn([4, 1, 32, 32])
    x.stop_gradient = False
    return apart(ours(x), theirs(x), x)


def facts():
    """All of them, ready for JSON; the same on every run."""
    paddle.seed(0)
    ramp, next_ramp = square(0, 3), square(1, 3)
    ones = paddle.ones([1, 1, 8, 8])
    return {
        "kernel": convolution([[square(0, 2)]])(images(next_ramp)).tolist(),
        "channels": convolution(paddle.ones([2, 2, 2, 2]))(images(ramp, next_ramp)).tolist(),
        "max": Pool2D(2, 2, mode="max")(images(square(1, 4))).tolist(),
        "avg": Pool2D(2, 2, mode="avg")(images(square(1, 4))).tolist(),
        "padded": [list(Conv2D(1, 1, 3, stride=stride, padding=1)(ones).shape) for stride in (1, 2)],
        "padded pool": [list(Pool2D(3, stride, padding=1)(ones).shape) for stride in (1, 2)],
        "bias": Conv2D(1, 6, 5).bias.tolist(),
        "conv2d": [conv2d_apart(**window) for window in GRID],
        "conv2d float32": [conv2d_apart("float32", **window) for window in GRID],
        "max_pool2d": [max_pool_apart(below_zero(), **window) for window in POOLS],
        "max_pool2d ties": [ties_apart(**window) for window in POOLS],
        "avg_pool2d": [avg_pool_apart(below_zero(), **window) for window in POOLS],
        "mean kernel": [mean_kernel_apart(below_zero(), **window) for window in POOLS],
        "refusals": refusals(),
        "networks": networks_apart(),
    }
