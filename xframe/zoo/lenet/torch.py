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


class LeNet5(nn.Module):
    """LeNet-5 with relu and average pools, and a softmax at the end; the one in Paddle has none."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.AvgPool2d(2, stride=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.AvgPool2d(2, stride=2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(400, 120)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(120, 84)
        self.relu4 = nn.ReLU()
        self.fc3 = nn.Linear(84, 10)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x)))
        x = self.flatten(x)
        x = self.relu3(self.fc1(x))
        x = self.relu4(self.fc2(x))
        return self.softmax(self.fc3(x))


def lenet5() -> LeNet5:
    """LeNet-5 with relu and average pools; returns probabilities. Source: doi:10.1109/5.726791.

    >>> tuple(lenet5()(torch.zeros(2, 1, 32, 32)).shape)
    (2, 10)
    """
    return LeNet5()


class Reshape(nn.Module):
    """Images of any shape with 1,024 pixels, as 1x32x32."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(-1, 1, 32, 32)


def lenet5_sigmoid() -> nn.Sequential:
    """LeNet-5 with sigmoids and average pools; returns logits. Source: doi:10.1109/5.726791.

    >>> tuple(lenet5_sigmoid()(torch.zeros(2, 1, 32, 32)).shape)
    (2, 10)
    """
    return nn.Sequential(
        Reshape(),
        nn.Conv2d(1, 6, 5),
        nn.Sigmoid(),
        nn.AvgPool2d(2, stride=2),
        nn.Conv2d(6, 16, 5),
        nn.Sigmoid(),
        nn.AvgPool2d(2, stride=2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.Sigmoid(),
        nn.Linear(120, 84),
        nn.Sigmoid(),
        nn.Linear(84, 10),
    )


class Subsampling(nn.Module):
    """Means of 2x2 pixels, times a learned weight per channel, plus a learned bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2, stride=2)
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(x) * self.weight[:, None, None] + self.bias[:, None, None]


class LeNet5Subsampling(nn.Module):
    """LeNet-5 with tanh and learned subsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.con_sam = nn.Sequential(
            nn.Conv2d(1, 6, 5),
            nn.Tanh(),
            Subsampling(6),
            nn.Tanh(),
            nn.Conv2d(6, 16, 5),
            nn.Tanh(),
            Subsampling(16),
            nn.Tanh(),
            nn.Conv2d(16, 120, 5),
            nn.Tanh(),
        )
        self.flatten = nn.Flatten()
        self.fc = nn.Sequential(
            nn.Linear(120, 84),
            nn.Tanh(),
            nn.Linear(84, 10),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.flatten(self.con_sam(x)))


def lenet5_subsampling() -> LeNet5Subsampling:
    """LeNet-5 with tanh and learned subsampling; returns logits. Source: doi:10.1109/5.726791.

    >>> tuple(lenet5_subsampling()(torch.zeros(2, 1, 32, 32)).shape)
    (2, 10)
    """
    return LeNet5Subsampling()
