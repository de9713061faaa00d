"""LeNet-5 in Paddle; (N, 1, 32, 32) to (N, 10)."""

from __future__ import annotations

import paddle
from paddle import nn

from xframe.zoo.operators.paddle import Conv2D, Pool2D


class LeNet5MaxAvg(nn.Layer):
    """LeNet-5 with relu, a max and an average pool; layers are numbered as in the original paper."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2D(1, 6, 5)
        self.relu1 = nn.ReLU()
        self.pool2 = nn.MaxPool2D(2, stride=2)
        self.conv3 = nn.Conv2D(6, 16, 5)
        self.relu3 = nn.ReLU()
        self.pool4 = nn.AvgPool2D(2, stride=2)
        self.conv5 = nn.Conv2D(16, 120, 5)
        self.relu5 = nn.ReLU()
        self.flatten = nn.Flatten()
        self.linear6 = nn.Linear(120, 84)
        self.relu6 = nn.ReLU()
        self.linear7 = nn.Linear(84, 10)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.pool2(self.relu1(self.conv1(x)))
        x = self.pool4(self.relu3(self.conv3(x)))
        x = self.flatten(self.relu5(self.conv5(x)))
        x = self.relu6(self.linear6(x))
        return self.linear7(x)


class LeNet5MaxAvgCustom(LeNet5MaxAvg):
    """The same network, its convolutions and pools replaced by our own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = Conv2D(1, 6, 5)
        self.pool2 = Pool2D(2, stride=2, mode="max")
        self.conv3 = Conv2D(6, 16, 5)
        self.pool4 = Pool2D(2, stride=2, mode="avg")
        self.conv5 = Conv2D(16, 120, 5)


def lenet5_maxavg() -> LeNet5MaxAvg:
    """LeNet-5 with relu, a max and an average pool; returns logits.

    >>> tuple(lenet5_maxavg()(paddle.zeros([2, 1, 32, 32])).shape)
    (2, 10)
    """
    return LeNet5MaxAvg()


def lenet5_maxavg_custom() -> LeNet5MaxAvgCustom:
    """The same network on operators of our own; returns logits.

    >>> tuple(lenet5_maxavg_custom()(paddle.zeros([2, 1, 32, 32])).shape)
    (2, 10)
    """
    return LeNet5MaxAvgCustom()
