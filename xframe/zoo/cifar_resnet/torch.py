"""A residual network without batch norm in PyTorch; (N, 3, 32, 32) to (N, 10)."""

from __future__ import annotations

import torch
from torch import nn


class Residual(nn.Module):
    """Two 3x3 convolutions and their relus, added to what they read; no relu behind the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) + x


class CifarResNet(nn.Module):
    """Four convolutions, each followed by residual blocks of its width, and three linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_layer = nn.Sequential(
            nn.Conv2d(3, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, stride=2),
            nn.ReLU(),
            Residual(64),
            nn.Conv2d(64, 128, 3),
            nn.ReLU(),
            Residual(128),
            Residual(128),
            nn.Conv2d(128, 256, 3),
            nn.ReLU(),
            Residual(256),
            Residual(256),
            Residual(256),
            nn.Conv2d(256, 512, 3),
            nn.ReLU(),
            Residual(512),
        )
        self.flatten = nn.Flatten()
        self.linear_layer = nn.Sequential(
            nn.Linear(512 * 10 * 10, 1024),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(1024, 512),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(512, 10),
            nn.Softmax(dim=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv_layer(x)
        x = self.flatten(x)
        return self.linear_layer(x)


def cifar_resnet() -> CifarResNet:
    """A residual network without batch norm (after He et al. 2015, arXiv:1512.03385); returns probabilities.

    >>> tuple(cifar_resnet()(torch.zeros(2, 3, 32, 32)).shape)
    (2, 10)
    """
    return CifarResNet()
