"""Convolution and pooling in Paddle without its operators of that name; (N, C, H, W) of any floating dtype."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce

import paddle
from paddle import nn

Join = Callable[[list[paddle.Tensor]], paddle.Tensor]


def pad(x: paddle.Tensor, padding: int, value: float = 0.0) -> paddle.Tensor:
    """`x` with `padding` rows and columns of `value` on all four sides."""
    return nn.functional.pad(x, [padding] * 4, value=value) if padding else x


def sweep(x: paddle.Tensor, kernel_size: int, stride: int, join: Join) -> paddle.Tensor:
    """`join` what each position of the kernel sees of `x`: first along its rows, then down its columns.

    Two passes of `kernel_size` strided slices cost less than one of its square. Their ends are counted from the far
    edge, so that no slice depends on the size of `x`.
    """
    spans = [slice(first, (first - kernel_size + 1) or None, stride) for first in range(kernel_size)]
    rows = join([x[..., span] for span in spans])
    return join([rows[..., span, :] for span in spans])


class Conv2D(nn.Layer):
    """Convolution of (N, in, H, W) to (N, out, H', W'), where H' = (H + 2 * padding - kernel_size) // stride + 1.

    `weight` is (out, in, kernel_size, kernel_size), `bias` (out, 1).

    >>> Conv2D(1, 6, 5)(paddle.ones([2, 1, 32, 32])).shape
    paddle.Size([2, 6, 28, 28])
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.weight = self.create_parameter(
            [out_channels, in_channels, kernel_size, kernel_size],
            default_initializer=nn.initializer.KaimingNormal(),  # as nn.Conv2D draws it
        )
        self.bias = self.create_parameter([out_channels, 1], is_bias=True)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        stack = partial(paddle.concat, axis=1)
        patches = sweep(pad(x, self.padding), self.kernel_size, self.stride, stack)
        kernel = self.weight.transpose([2, 3, 1, 0]).flatten(0, 2)  # rows in the order of the patches' channels
        sums = patches.transpose([0, 2, 3, 1]) @ kernel + self.bias.flatten()
        return sums.transpose([0, 3, 1, 2])


def largest(slices: list[paddle.Tensor]) -> paddle.Tensor:
    """The largest of `slices`, element by element; equals share the gradient, which nn.MaxPool2D gives to the first."""
    return reduce(paddle.maximum, slices)


def mean(slices: list[paddle.Tensor]) -> paddle.Tensor:
    """The mean of `slices`, element by element."""
    return reduce(paddle.add, slices) / len(slices)


# How a pool joins what it sees, and the padding that suits it.
MODES: dict[str, tuple[Join, float]] = {"max": (largest, float("-inf")), "avg": (mean, 0.0)}


class Pool2D(nn.Layer):
    """Pooling of (N, C, H, W) to (N, C, H', W') by the largest ("max") or mean ("avg") value, H' as in Conv2D.

    Padding never wins a maximum, but counts as zeros in a mean. Raises ValueError when `mode` is neither, or when
    a window could hold nothing but padding.

    >>> Pool2D(2, 2, mode="avg")(paddle.ones([2, 6, 28, 28])).shape
    paddle.Size([2, 6, 14, 14])
    """

    def __init__(self, kernel_size: int, stride: int, padding: int = 0, mode: str = "max") -> None:
        super().__init__()
        if mode not in MODES:
            raise ValueError(f"mode is one of {', '.join(MODES)}, not {mode!r}")
        if 2 * padding > kernel_size:
            raise ValueError(f"padding {padding} is more than half of kernel_size {kernel_size}")
        self.kernel_size, self.stride, self.padding, self.mode = kernel_size, stride, padding, mode

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        join, value = MODES[self.mode]
        return sweep(pad(x, self.padding, value), self.kernel_size, self.stride, join)
