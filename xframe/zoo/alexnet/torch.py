"""AlexNet in PyTorch; (N, C, 224, 224) to (N, classes)."""

from __future__ import annotations

import torch
from torch import nn


class AlexNet(nn.Module):
    """Five convolutions and three linear layers. `hidden` is the width of the first two linear layers."""

    def __init__(self, in_channels: int = 1, num_classes: int = 1000, hidden: int = 4096) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(in_channels, 96, 11, stride=4),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(96, 256, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(256, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        self.flatten = nn.Flatten()
        self.fc = nn.Sequential(
            nn.Linear(256 * 5 * 5, hidden),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        x = self.flatten(x)
        return self.fc(x)


def alexnet(in_channels: int = 1, num_classes: int = 1000, hidden: int = 4096) -> AlexNet:
    """AlexNet in one column instead of two (after Krizhevsky et al. 2012, doi:10.1145/3065386); returns logits.

    >>> tuple(alexnet(num_classes=10, hidden=8)(torch.zeros(2, 1, 224, 224)).shape)
    (2, 10)
    """
    return AlexNet(in_channels, num_classes, hidden)
