"""Network in network in PyTorch; (N, C, H, W) to (N, 10)."""

from __future__ import annotations

import torch
from torch import nn


class NiN(nn.Module):
    """Three convolutions, each followed by two of kernel 1; the last gives a map per class, whose mean is its logit."""

    def __init__(self, in_channels: int, wide: int, middle: int, narrow: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, wide, 5, padding=2)
        self.conv2 = nn.Conv2d(wide, middle, 1)
        self.conv3 = nn.Conv2d(middle, narrow, 1)
        self.pool3 = nn.MaxPool2d(3, stride=2, padding=1)
        self.dropout3 = nn.Dropout(0.5)
        self.conv4 = nn.Conv2d(narrow, wide, 5, padding=2)
        self.conv5 = nn.Conv2d(wide, wide, 1)
        self.conv6 = nn.Conv2d(wide, wide, 1)
        self.pool6 = nn.MaxPool2d(3, stride=2, padding=1)
        self.dropout6 = nn.Dropout(0.5)
        self.conv7 = nn.Conv2d(wide, wide, 3, padding=1)
        self.conv8 = nn.Conv2d(wide, wide, 1)
        self.conv9 = nn.Conv2d(wide, 10, 1)
        self.pool9 = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        x = self.relu(self.conv3(x))
        x = self.dropout3(self.pool3(x))
        x = self.relu(self.conv4(x))
        x = self.relu(self.conv5(x))
        x = self.relu(self.conv6(x))
        x = self.dropout6(self.pool6(x))
        x = self.relu(self.conv7(x))
        x = self.relu(self.conv8(x))
        x = self.pool9(self.conv9(x))
        return self.flatten(x)


def nin(in_channels: int = 3, wide: int = 192, middle: int = 160, narrow: int = 96) -> NiN:
    """Network in network (Lin et al. 2013, arXiv:1312.4400); (N, C, H, W) to (N, 10) logits.

    >>> tuple(nin()(torch.zeros(2, 3, 32, 32)).shape)
    (2, 10)
    """
    return NiN(in_channels, wide, middle, narrow)
