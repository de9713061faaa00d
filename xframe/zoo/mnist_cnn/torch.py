"""A small convolutional network for MNIST in PyTorch; (N, 1, 28, 28) to (N, 10)."""

from __future__ import annotations

import torch
from torch import nn


class MnistCNN(nn.Module):
    """Three convolutions without padding, two max pools, two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2, stride=2)
        self.conv2 = nn.Conv2d(32, 64, 3)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2, stride=2)
        self.conv3 = nn.Conv2d(64, 64, 3)
        self.relu3 = nn.ReLU()
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(576, 64)
        self.relu4 = nn.ReLU()
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x)))
        x = self.flatten(self.relu3(self.conv3(x)))
        x = self.relu4(self.fc1(x))
        return self.fc2(x)


def mnist_cnn() -> MnistCNN:
    """Three convolutions and two dense layers; returns logits. Source: tensorflow.org/tutorials/images/cnn.

    >>> tuple(mnist_cnn()(torch.zeros(2, 1, 28, 28)).shape)
    (2, 10)
    """
    return MnistCNN()
