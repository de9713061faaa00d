"""GoogLeNet with two auxiliary heads in PyTorch; (N, 3, 224, 224) to three times (N, classes).

The names are torchvision's, the network is Paddle's.
"""

from __future__ import annotations

import torch
from torch import nn

# What Paddle multiplies by in inference, by the share that is dropped in training: 1 - p in float32, in float64 too.
KEPT = {0.4: 0.6000000238418579, 0.7: 0.30000001192092896}


class BasicConv(nn.Module):
    """A convolution without bias, padded alike on all sides; neither batch norm nor relu behind it."""

    def __init__(self, in_channels: int, channels: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.conv = nn.Conv2d(in_channels, channels, kernel_size, stride=stride, padding=padding, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


class DownscaledDropout(nn.Dropout):
    """Paddle's "downscale_in_infer": training drops and no more, inference multiplies by the share that was kept."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # A dropout divides by that share in training: multiplying undoes it there.
        return super().forward(x) * KEPT[self.p]


class Inception(nn.Module):
    """Four branches side by side, their channels put together: `c1`, the second of `c2`, the second of `c3`, `c4`.

    One relu behind them all.
    """

    def __init__(self, in_channels: int, c1: int, c2: tuple[int, int], c3: tuple[int, int], c4: int) -> None:
        super().__init__()
        self.branch1 = BasicConv(in_channels, c1, 1)
        self.branch2 = nn.Sequential(BasicConv(in_channels, c2[0], 1), BasicConv(c2[0], c2[1], 3))
        self.branch3 = nn.Sequential(BasicConv(in_channels, c3[0], 1), BasicConv(c3[0], c3[1], 5))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), BasicConv(in_channels, c4, 1))
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branches = [self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)]
        return self.relu(torch.cat(branches, dim=1))


class InceptionAux(nn.Module):
    """An auxiliary head for a map of 11x11 to 13x13: average pool to 3x3, 1x1 convolution, two linear layers."""

    def __init__(self, in_channels: int, num_classes: int, *, rectified: bool) -> None:
        super().__init__()
        self.avgpool = nn.AvgPool2d(5, stride=3)
        self.conv = BasicConv(in_channels, 128, 1)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(128 * 3 * 3, 1024)
        self.relu = nn.ReLU() if rectified else nn.Identity()
        self.dropout = DownscaledDropout(0.7)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.flatten(self.conv(self.avgpool(x)))
        x = self.dropout(self.relu(self.fc1(x)))
        return self.fc2(x)


class GoogLeNet(nn.Module):
    """Three convolutions, nine inceptions, global average pool, linear layer; two more heads on the way."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv1 = BasicConv(3, 64, 7, stride=2)
        self.maxpool1 = nn.MaxPool2d(3, stride=2)
        self.conv2 = BasicConv(64, 64, 1)
        self.conv3 = BasicConv(64, 192, 3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2)
        self.inception3a = Inception(192, 64, (96, 128), (16, 32), 32)
        self.inception3b = Inception(256, 128, (128, 192), (32, 96), 64)
        self.maxpool3 = nn.MaxPool2d(3, stride=2)
        self.inception4a = Inception(480, 192, (96, 208), (16, 48), 64)
        self.inception4b = Inception(512, 160, (112, 224), (24, 64), 64)
        self.inception4c = Inception(512, 128, (128, 256), (24, 64), 64)
        self.inception4d = Inception(512, 112, (144, 288), (32, 64), 64)
        self.inception4e = Inception(528, 256, (160, 320), (32, 128), 128)
        self.maxpool4 = nn.MaxPool2d(3, stride=2)
        self.inception5a = Inception(832, 256, (160, 320), (32, 128), 128)
        self.inception5b = Inception(832, 384, (192, 384), (48, 128), 128)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = DownscaledDropout(0.4)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(1024, num_classes)
        # Paddle has a relu in its first auxiliary head alone.
        self.aux1 = InceptionAux(512, num_classes, rectified=True)
        self.aux2 = InceptionAux(528, num_classes, rectified=False)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x = self.maxpool1(self.conv1(x))
        x = self.conv2(x)
        x = self.maxpool2(self.conv3(x))
        x = self.inception3a(x)
        x = self.maxpool3(self.inception3b(x))
        x = self.inception4a(x)
        aux1 = self.aux1(x)
        x = self.inception4b(x)
        x = self.inception4c(x)
        x = self.inception4d(x)
        aux2 = self.aux2(x)
        x = self.maxpool4(self.inception4e(x))
        x = self.inception5a(x)
        x = self.avgpool(self.inception5b(x))
        x = self.flatten(self.dropout(x))
        return self.fc(x), aux1, aux2


def googlenet(num_classes: int = 1000) -> GoogLeNet:
    """GoogLeNet as Paddle has it (after Szegedy et al. 2014, arXiv:1409.4842).

    (N, 3, 224, 224) to logits of the network and of its two auxiliary heads, each (N, num_classes), in inference too.

    >>> [tuple(logits.shape) for logits in googlenet(num_classes=10)(torch.zeros(2, 3, 192, 224))]
    [(2, 10), (2, 10), (2, 10)]
    """
    return GoogLeNet(num_classes)
