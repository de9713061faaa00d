"""Densely connected networks in PyTorch, under torchvision's names; (N, 3, H, W) to (N, classes)."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn


def convolution(in_channels: int, channels: int, kernel_size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias, padded alike on all sides."""
    return nn.Conv2d(in_channels, channels, kernel_size, stride=stride, padding=kernel_size // 2, bias=False)


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation; a batch moves the running statistics by a tenth."""
    return nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1)


class DenseLayer(nn.Module):
    """A 1x1 and a 3x3 convolution, normalised before; what they give is put behind the channels they read."""

    def __init__(self, in_channels: int, growth: int) -> None:
        super().__init__()
        self.norm1 = batch_norm(in_channels)
        self.relu1 = nn.ReLU()
        self.conv1 = convolution(in_channels, 4 * growth, 1)
        self.norm2 = batch_norm(4 * growth)
        self.relu2 = nn.ReLU()
        self.conv2 = convolution(4 * growth, growth, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.conv1(self.relu1(self.norm1(x)))
        out = self.conv2(self.relu2(self.norm2(out)))
        return torch.cat([x, out], dim=1)


def dense_block(in_channels: int, growth: int, depth: int) -> nn.Sequential:
    """`depth` dense layers; each adds `growth` channels."""
    steps = ((f"denselayer{n + 1}", DenseLayer(in_channels + n * growth, growth)) for n in range(depth))
    return nn.Sequential(OrderedDict(steps))


def transition(in_channels: int, channels: int) -> nn.Sequential:
    """Fewer channels, and a map of half the size."""
    steps = [
        ("norm", batch_norm(in_channels)),
        ("relu", nn.ReLU()),
        ("conv", convolution(in_channels, channels, 1)),
        ("pool", nn.AvgPool2d(2, stride=2)),
    ]
    return nn.Sequential(OrderedDict(steps))


class DenseNet(nn.Module):
    """Stem, blocks of `depths` layers with transitions between, global average pool, linear layer."""

    def __init__(self, depths: tuple[int, ...], num_classes: int, growth: int = 32, channels: int = 64) -> None:
        super().__init__()
        self.features = nn.Sequential()
        self.features.add_module("conv0", convolution(3, channels, 7, stride=2))
        self.features.add_module("norm0", batch_norm(channels))
        self.features.add_module("relu0", nn.ReLU())
        self.features.add_module("pool0", nn.MaxPool2d(3, stride=2, padding=1))
        for number, depth in enumerate(depths, start=1):
            self.features.add_module(f"denseblock{number}", dense_block(channels, growth, depth))
            channels += depth * growth
            if number < len(depths):
                self.features.add_module(f"transition{number}", transition(channels, channels // 2))
                channels //= 2
        self.features.add_module("norm5", batch_norm(channels))
        self.relu5 = nn.ReLU()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu5(self.features(x))
        x = self.avgpool(x).flatten(1)
        return self.classifier(x)


def densenet121(num_classes: int = 1000) -> DenseNet:
    """DenseNet-121 (Huang et al. 2016, arXiv:1608.06993); (N, 3, H, W) to (N, num_classes) logits.

    >>> tuple(densenet121(num_classes=10)(torch.zeros(2, 3, 64, 64)).shape)
    (2, 10)
    """
    return DenseNet((6, 12, 24, 16), num_classes)


def densenet161(num_classes: int = 1000) -> DenseNet:
    """DenseNet-161, wider by half (Huang et al. 2016, arXiv:1608.06993); (N, 3, H, W) to (N, num_classes) logits.

    >>> tuple(densenet161(num_classes=10)(torch.zeros(2, 3, 64, 64)).shape)
    (2, 10)
    """
    return DenseNet((6, 12, 36, 24), num_classes, growth=48, channels=96)
