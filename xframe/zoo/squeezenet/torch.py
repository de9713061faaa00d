"""SqueezeNet in PyTorch, under torchvision's names; (N, 3, H, W) to (N, classes)."""

from __future__ import annotations

import struct

import torch
from torch import nn


def convolution(in_channels: int, channels: int, kernel_size: int, stride: int = 1, padding: int = 0) -> nn.Conv2d:
    """A convolution with bias, padded alike on all sides."""
    return nn.Conv2d(in_channels, channels, kernel_size, stride=stride, padding=padding)


def max_pool(ceil_mode: bool) -> nn.MaxPool2d:
    """The largest of 3x3 values. With `ceil_mode`, a last window that reaches over the far edge counts too."""
    return nn.MaxPool2d(3, stride=2, ceil_mode=ceil_mode)


class Fire(nn.Module):
    """A 1x1 convolution to few channels, then a 1x1 and a 3x3 one side by side, their channels put together."""

    def __init__(self, in_channels: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = convolution(in_channels, squeeze, 1)
        self.expand1x1 = convolution(squeeze, expand, 1)
        self.expand3x3 = convolution(squeeze, expand, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.squeeze(x))
        p1 = self.relu(self.expand1x1(x))
        p2 = self.relu(self.expand3x3(x))
        return torch.cat([p1, p2], dim=1)


class DownscaledDropout(nn.Dropout):
    """Paddle's "downscale_in_infer": training drops and no more, inference multiplies by the share that was kept.

    >>> dropout = DownscaledDropout(0.2)
    >>> sorted(set(dropout(torch.ones(1000)).tolist()))
    [0.0, 1.0]
    >>> dropout.eval()(torch.ones(2)).tolist()
    [0.800000011920929, 0.800000011920929]
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Paddle holds the share in float32, whatever the type of the network: 0.8 is 0.800000011920929.
        (kept,) = struct.unpack("f", struct.pack("f", 1 - self.p))
        # A dropout divides by the share in training: multiplying undoes it there.
        return super().forward(x) * kept


class SqueezeNet(nn.Module):
    """A strided convolution, eight fires with pools between, a convolution to classes, relu, global average pool."""

    def __init__(self, num_classes: int, padding: int, ceil_mode: bool, downscale_in_infer: bool) -> None:
        super().__init__()
        self.features = nn.Sequential(
            convolution(3, 64, 3, stride=2, padding=padding),
            nn.ReLU(),
            max_pool(ceil_mode),
            Fire(64, 16, 64),
            Fire(128, 16, 64),
            max_pool(ceil_mode),
            Fire(128, 32, 128),
            Fire(256, 32, 128),
            max_pool(ceil_mode),
            Fire(256, 48, 192),
            Fire(384, 48, 192),
            Fire(384, 64, 256),
            Fire(512, 64, 256),
        )
        dropout = DownscaledDropout if downscale_in_infer else nn.Dropout
        self.classifier = nn.Sequential(
            dropout(0.5),
            convolution(512, num_classes, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        return self.classifier(x).flatten(1)


def squeezenet1_1(
    num_classes: int = 1000, padding: int = 0, ceil_mode: bool = True, downscale_in_infer: bool = False
) -> SqueezeNet:
    """SqueezeNet 1.1 (Iandola et al. 2016, arXiv:1602.07360); (N, 3, H, W) to (N, num_classes) logits, none negative.

    The defaults are torchvision's. Paddle's network pads the first convolution by 1, pools without `ceil_mode`, and
    drops with `downscale_in_infer`.

    >>> tuple(squeezenet1_1(num_classes=10)(torch.zeros(2, 3, 64, 64)).shape)
    (2, 10)
    """
    return SqueezeNet(num_classes, padding, ceil_mode, downscale_in_infer)
