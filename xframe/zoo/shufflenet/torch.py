"""ShuffleNet V2 in PyTorch, under torchvision's names; (N, 3, H, W) to (N, classes)."""

from __future__ import annotations

import torch
from torch import nn


def convolution(in_channels: int, channels: int, kernel_size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias, padded alike on all sides."""
    return nn.Conv2d(in_channels, channels, kernel_size, stride=stride, padding=kernel_size // 2, bias=False)


def depthwise(channels: int, stride: int) -> nn.Conv2d:
    """A 3x3 convolution of each channel by itself, without bias, padded alike on all sides."""
    return nn.Conv2d(channels, channels, 3, stride=stride, padding=1, groups=channels, bias=False)


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation; a batch moves the running statistics by a tenth."""
    return nn.BatchNorm2d(channels, eps=1e-5, momentum=0.1)


def channel_shuffle(x: torch.Tensor, groups: int) -> torch.Tensor:
    """The first channel of each group, then the second of each, and so on.

    >>> channel_shuffle(torch.arange(6.0).reshape(1, 6, 1, 1), groups=2).flatten().tolist()
    [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
    """
    count, channels, height, width = x.shape
    x = x.reshape(count, groups, channels // groups, height, width)
    x = x.transpose(1, 2)
    return x.reshape(count, channels, height, width)


class InvertedResidual(nn.Module):
    """Two branches, shuffled together. At stride 1 the first is half of the channels as they are."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        half = channels // 2
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                depthwise(in_channels, stride),
                batch_norm(in_channels),
                convolution(in_channels, half, 1),
                batch_norm(half),
                nn.ReLU(),
            )
        self.branch2 = nn.Sequential(
            convolution(in_channels if stride > 1 else half, half, 1),
            batch_norm(half),
            nn.ReLU(),
            depthwise(half, stride),
            batch_norm(half),
            convolution(half, half, 1),
            batch_norm(half),
            nn.ReLU(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x1, x2 = (x, x) if self.stride > 1 else x.chunk(2, dim=1)
        out = torch.cat([self.branch1(x1), self.branch2(x2)], dim=1)
        return channel_shuffle(out, groups=2)


def stage(in_channels: int, channels: int, depth: int) -> nn.Sequential:
    """`depth` blocks of equal width; the first one strides."""
    first = InvertedResidual(in_channels, channels, stride=2)
    others = (InvertedResidual(channels, channels, stride=1) for _ in range(1, depth))
    return nn.Sequential(first, *others)


class ShuffleNetV2(nn.Module):
    """Stem, three stages of `depths` blocks, a 1x1 convolution, global average pool, linear layer."""

    def __init__(self, depths: tuple[int, ...], widths: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(convolution(3, widths[0], 3, stride=2), batch_norm(widths[0]), nn.ReLU())
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stage2 = stage(widths[0], widths[1], depths[0])
        self.stage3 = stage(widths[1], widths[2], depths[1])
        self.stage4 = stage(widths[2], widths[3], depths[2])
        self.conv5 = nn.Sequential(convolution(widths[3], widths[4], 1), batch_norm(widths[4]), nn.ReLU())
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(widths[4], num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.conv1(x))
        x = self.stage2(x)
        x = self.stage3(x)
        x = self.stage4(x)
        x = self.conv5(x)
        x = self.avgpool(x).flatten(1)
        return self.fc(x)


def shufflenet_v2_x1_0(num_classes: int = 1000) -> ShuffleNetV2:
    """ShuffleNet V2 (Ma et al. 2018, arXiv:1807.11164); (N, 3, H, W) to (N, num_classes) logits.

    >>> tuple(shufflenet_v2_x1_0(num_classes=10)(torch.zeros(2, 3, 64, 64)).shape)
    (2, 10)
    """
    return ShuffleNetV2((4, 8, 4), (24, 116, 232, 464, 1024), num_classes)
