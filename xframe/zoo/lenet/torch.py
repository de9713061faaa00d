"""LeNet-5 in PyTorch; (N, 1, 32, 32) to (N, 10)."""

from __future__ import annotations

import torch
from torch import nn


class LeNet5MaxAvg(nn.Module):
    """LeNet-5 with relu, a max and an average pool; layers are numbered as in the original paper."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.relu1 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2, stride=2)
        self.conv3 = nn.Conv2d(6, 16, 5)
        self.relu3 = nn.ReLU()
        self.pool4 = nn.AvgPool2d(2, stride=2)
        self.conv5 = nn.Conv2d(16, 120, 5)
        self.relu5 = nn.ReLU()
        self.flatten = nn.Flatten()
        self.linear6 = nn.Linear(120, 84)
        self.relu6 = nn.ReLU()
        self.linear7 = nn.Linear(84, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool2(self.relu1(self.conv1(x)))
        x = self.pool4(self.relu3(self.conv3(x)))
        x = self.flatten(self.relu5(self.conv5(x)))
        x = self.relu6(self.linear6(x))
        return self.linear7(x)


def lenet5_maxavg() -> LeNet5MaxAvg:
    """LeNet-5 with relu, a max and an average pool; returns logits.

    >>> tuple(lenet5_maxavg()(torch.zeros(2, 1, 32, 32)).shape)
    (2, 10)
    """
    return LeNet5MaxAvg()
