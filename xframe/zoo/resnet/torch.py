"""Residual networks in PyTorch, under torchvision's names; (N, C, H, W) to (N, classes)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn


def convolution(in_channels: int, channels: int, kernel_size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias, padded alike on all sides."""
    return nn.Conv2d(in_channels, channels, kernel_size, stride=stride, padding=kernel_size // 2, bias=False)


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation; a batch moves the running statistics by a tenth."""
    return nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, added to what they read unless `use_residual` is false."""

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: int = 1, *, use_residual: bool = True) -> None:
        super().__init__()
        self.use_residual = use_residual
        self.conv1 = convolution(in_channels, channels, 3, stride)
        self.bn1 = batch_norm(channels)
        self.relu = nn.ReLU()
        self.conv2 = convolution(channels, channels, 3)
        self.bn2 = batch_norm(channels)
        self.downsample = None
        # Where the shape changes, what was read must change with it.
        if stride != 1 or in_channels != channels * self.expansion:
            projection = convolution(in_channels, channels * self.expansion, 1, stride)
            self.downsample = nn.Sequential(projection, batch_norm(channels * self.expansion))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if not self.use_residual:
            return self.relu(out)
        identity = x if self.downsample is None else self.downsample(x)
        return self.relu(out + identity)


Block = Callable[..., Any]  # BasicBlock, or another with an `expansion`


def stage(block: Block, in_channels: int, channels: int, depth: int, stride: int = 1) -> nn.Sequential:
    """`depth` blocks of equal width; the first one strides."""
    first = block(in_channels, channels, stride)
    others = (block(channels * first.expansion, channels) for _ in range(1, depth))
    return nn.Sequential(first, *others)


class ResNet(nn.Module):
    """Stem, four stages of `depths` blocks, global average pool, linear layer."""

    def __init__(self, block: Block, depths: tuple[int, ...], in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = convolution(in_channels, 64, 7, stride=2)
        self.bn1 = batch_norm(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = stage(block, 64, 64, depths[0])
        expansion = self.layer1[0].expansion
        self.layer2 = stage(block, 64 * expansion, 128, depths[1], stride=2)
        self.layer3 = stage(block, 128 * expansion, 256, depths[2], stride=2)
        self.layer4 = stage(block, 256 * expansion, 512, depths[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512 * expansion, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer1(x)
        x = self.layer2(x)
        x = self.layer3(x)
        x = self.layer4(x)
        x = self.avgpool(x).flatten(1)
        return self.fc(x)


def resnet18(in_channels: int = 3, num_classes: int = 1000, use_residual: bool = True) -> ResNet:
    """Four stages of two basic blocks; returns logits.

    >>> tuple(resnet18(num_classes=10)(torch.zeros(2, 3, 64, 64)).shape)
    (2, 10)
    """
    return ResNet(partial(BasicBlock, use_residual=use_residual), (2, 2, 2, 2), in_channels, num_classes)
