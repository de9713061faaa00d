"""The same network in PyTorch, written by someone else: other names, another grouping."""

from __future__ import annotations

import torch
from torch import nn


class Scale(nn.Module):
    """A learned weight and bias per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gain + self.shift


class Digits(nn.Module):
    """A convolution, a flatten, two hidden layers of 16 × 16, and a head."""

    def __init__(self, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 4, 3, bias=False),
            nn.BatchNorm2d(4, momentum=0.1, eps=epsilon),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(4 * 6 * 6, 16),
            nn.ReLU(),
        )
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(16, 16), nn.ReLU(), Scale(16)) for _ in range(2))
        self.head = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def digits_with_another_epsilon() -> Digits:
    """Wrong on purpose: its batch norm adds 1.001e-5 to the variance, not 1e-5."""
    return Digits(epsilon=1.001e-5)
