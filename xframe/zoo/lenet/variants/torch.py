"""LeNet-5 in PyTorch, as one Sequential and without its largest dense layer; (N, 1, 32, 32) to (N, 10)."""

from __future__ import annotations

import torch
from torch import nn


def lenet5_sequential() -> nn.Sequential:
    """LeNet-5 with relu and average pools, as one Sequential; returns probabilities. Source: doi:10.1109/5.726791.

    >>> tuple(lenet5_sequential()(torch.zeros(2, 1, 32, 32)).shape)
    (2, 10)
    """
    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.ReLU(),
        nn.AvgPool2d(2, stride=2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.AvgPool2d(2, stride=2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
        nn.Softmax(dim=1),
    )


class LeNet5FullConv(nn.Module):
    """LeNet-5 whose first dense layer is a convolution as large as its input, as in the original paper."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.AvgPool2d(2, stride=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.AvgPool2d(2, stride=2)
        self.conv3 = nn.Conv2d(16, 120, 5)
        self.relu3 = nn.ReLU()
        self.flatten = nn.Flatten()
        self.fc2 = nn.Linear(120, 84)
        self.relu4 = nn.ReLU()
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x)))
        x = self.flatten(self.relu3(self.conv3(x)))
        x = self.relu4(self.fc2(x))
        return self.fc3(x)


def lenet5_fullconv() -> LeNet5FullConv:
    """LeNet-5 whose first dense layer is a convolution; returns logits. Source: doi:10.1109/5.726791.

    >>> tuple(lenet5_fullconv()(torch.zeros(2, 1, 32, 32)).shape)
    (2, 10)
    """
    return LeNet5FullConv()
