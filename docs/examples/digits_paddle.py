"""A small network of one's own, in Paddle: (N, 1, 8, 8) to (N, 10)."""

from __future__ import annotations

import paddle
from paddle import nn


class Scale(nn.Layer):
    """A learned weight and bias per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = self.create_parameter([channels], default_initializer=nn.initializer.Constant(1.0))
        self.bias = self.create_parameter([channels], is_bias=True)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x * self.weight + self.bias


class Digits(nn.Layer):
    """A convolution, a flatten, two hidden layers of 16 × 16, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2D(1, 4, 3, bias_attr=False)
        self.norm = nn.BatchNorm2D(4, momentum=0.9, epsilon=1e-5)
        self.project = nn.Linear(4 * 6 * 6, 16)
        self.hidden = nn.LayerList([nn.Linear(16, 16) for _ in range(2)])
        self.scale = nn.LayerList([Scale(16) for _ in range(2)])
        self.head = nn.Linear(16, 10)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = nn.functional.relu(self.norm(self.conv(x)))
        x = nn.functional.relu(self.project(x.flatten(1)))
        for hidden, scale in zip(self.hidden, self.scale, strict=True):
            x = scale(nn.functional.relu(hidden(x)))
        return self.head(x)
