"""A convolution at stride 2, a batch norm, two dense layers, in Paddle: (N, 1, 8, 8) to (N, 10)."""

from __future__ import annotations

import paddle
from paddle import nn


class Net(nn.Layer):
    """Right: what the others are held against."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2D(1, 4, 3, stride=2, padding=1, bias_attr=False)
        self.norm = nn.BatchNorm2D(4)
        self.dense = nn.Linear(4 * 4 * 4, 8)
        self.head = nn.Linear(8, 10)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = nn.functional.relu(self.norm(self.conv(x)))
        return self.head(nn.functional.relu(self.dense(x.flatten(1))))
