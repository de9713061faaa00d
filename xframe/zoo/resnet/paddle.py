"""Residual networks in Paddle, as one Sequential; (N, C, H, W) to (N, classes).

Paddle's own networks, under torchvision's names, are in `paddle.vision.models`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import paddle
from paddle import nn


def convolution(in_channels: int, channels: int, kernel_size: int, stride: int = 1) -> nn.Conv2D:
    """A convolution without bias, padded alike on all sides."""
    return nn.Conv2D(in_channels, channels, kernel_size, stride=stride, padding=kernel_size // 2, bias_attr=False)


def batch_norm(channels: int) -> nn.BatchNorm2D:
    """Batch normalisation; a batch moves the running statistics by a tenth."""
    return nn.BatchNorm2D(channels, epsilon=1e-5, momentum=0.9)


class BasicBlock(nn.Layer):
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
        self.shortcut = None
        # Where the shape changes, what was read must change with it.
        if stride != 1 or in_channels != channels * self.expansion:
            self.shortcut = convolution(in_channels, channels * self.expansion, 1, stride)
            self.bn3 = batch_norm(channels * self.expansion)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if not self.use_residual:
            return self.relu(out)
        identity = x if self.shortcut is None else self.bn3(self.shortcut(x))
        return self.relu(out + identity)


def stage(
    block: Callable[..., BasicBlock], in_channels: int, channels: int, depth: int, stride: int = 1
) -> nn.Sequential:
    """`depth` blocks of equal width; the first one strides."""
    first = block(in_channels, channels, stride)
    others = (block(channels * first.expansion, channels) for _ in range(1, depth))
    return nn.Sequential(first, *others)


class ResNet18Custom(nn.Layer):
    """Stem, four stages of two blocks, global average pool, linear layer."""

    def __init__(self, in_channels: int = 3, num_classes: int = 1000, use_residual: bool = True) -> None:
        super().__init__()
        block = partial(BasicBlock, use_residual=use_residual)
        self.net = nn.Sequential(
            nn.Sequential(
                nn.Conv2D(in_channels, 64, 7, stride=2, padding=3),  # the only convolution with a bias
                batch_norm(64),
                nn.ReLU(),
                nn.MaxPool2D(3, stride=2, padding=1),
            ),
            stage(block, 64, 64, 2),
            stage(block, 64, 128, 2, stride=2),
            stage(block, 128, 256, 2, stride=2),
            stage(block, 256, 512, 2, stride=2),
            nn.AdaptiveAvgPool2D(1),
            nn.Flatten(),
            nn.Linear(512, num_classes),
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.net(x)


def resnet18_custom(in_channels: int = 3, num_classes: int = 1000, use_residual: bool = True) -> ResNet18Custom:
    """Four stages of two basic blocks; returns logits.

    >>> tuple(resnet18_custom(num_classes=10)(paddle.zeros([2, 3, 64, 64])).shape)
    (2, 10)
    """
    return ResNet18Custom(in_channels, num_classes, use_residual)
