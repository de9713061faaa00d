"""GoogLeNet without batch norm and auxiliary heads in PyTorch; (N, 3, H, W) to (N, classes)."""

from __future__ import annotations

import torch
from torch import nn


def convolution(in_channels: int, channels: int, kernel_size: int) -> nn.Conv2d:
    """A convolution that keeps the size of the map."""
    return nn.Conv2d(in_channels, channels, kernel_size, padding=kernel_size // 2)


def max_pool(stride: int) -> nn.MaxPool2d:
    """The largest of 3x3 values."""
    return nn.MaxPool2d(3, stride=stride, padding=1)


class Inception(nn.Module):
    """Four paths side by side, their channels put together: `c1`, the second of `c2`, the second of `c3`, `c4`."""

    def __init__(self, in_channels: int, c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int) -> None:
        super().__init__()
        self.p1_1 = convolution(in_channels, c1, 1)
        self.p2_1 = convolution(in_channels, c2[0], 1)
        self.p2_2 = convolution(c2[0], c2[1], 3)
        self.p3_1 = convolution(in_channels, c3[0], 1)
        self.p3_2 = convolution(c3[0], c3[1], 5)
        self.p4_1 = max_pool(stride=1)
        self.p4_2 = convolution(in_channels, c4, 1)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        p1 = self.relu(self.p1_1(x))
        p2 = self.relu(self.p2_2(self.relu(self.p2_1(x))))
        p3 = self.relu(self.p3_2(self.relu(self.p3_1(x))))
        p4 = self.relu(self.p4_2(self.p4_1(x)))
        return torch.cat([p1, p2, p3, p4], dim=1)


class GoogLeNet(nn.Module):
    """Three convolutions, nine inceptions, global average pool, linear layer."""

    def __init__(self, num_classes: int = 1) -> None:
        super().__init__()
        # The first convolution of the paper strides; this one does not.
        self.conv1 = convolution(3, 64, 7)
        self.conv2_1 = convolution(64, 64, 1)
        self.conv2_2 = convolution(64, 192, 3)
        self.block3_1 = Inception(192, 64, (96, 128), (16, 32), 32)
        self.block3_2 = Inception(256, 128, (128, 192), (32, 96), 64)
        self.block4_1 = Inception(480, 192, (96, 208), (16, 48), 64)
        self.block4_2 = Inception(512, 160, (112, 224), (24, 64), 64)
        self.block4_3 = Inception(512, 128, (128, 256), (24, 64), 64)
        self.block4_4 = Inception(512, 112, (144, 288), (32, 64), 64)
        self.block4_5 = Inception(528, 256, (160, 320), (32, 128), 128)
        self.block5_1 = Inception(832, 256, (160, 320), (32, 128), 128)
        self.block5_2 = Inception(832, 384, (192, 384), (48, 128), 128)
        self.pool = max_pool(stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(1024, num_classes)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.relu(self.conv1(x)))
        x = self.relu(self.conv2_1(x))
        x = self.pool(self.relu(self.conv2_2(x)))
        x = self.block3_1(x)
        x = self.pool(self.block3_2(x))
        x = self.block4_1(x)
        x = self.block4_2(x)
        x = self.block4_3(x)
        x = self.block4_4(x)
        x = self.pool(self.block4_5(x))
        x = self.block5_1(x)
        x = self.avgpool(self.block5_2(x))
        return self.fc(self.flatten(x))


def googlenet(num_classes: int = 1) -> GoogLeNet:
    """GoogLeNet (Szegedy et al. 2014, arXiv:1409.4842); (N, 3, H, W) to (N, num_classes) logits.

    >>> tuple(googlenet(num_classes=10)(torch.zeros(2, 3, 32, 32)).shape)
    (2, 10)
    """
    return GoogLeNet(num_classes)
