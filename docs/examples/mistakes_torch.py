"""The same in PyTorch, right as it stands; a mistake for each argument."""

from __future__ import annotations

import torch
from torch import nn


class Net(nn.Module):
    """``padding`` may be "both" or "behind", ``order`` of the flatten "chw" or "hwc"."""

    def __init__(self, epsilon: float = 1e-5, padding: str = "both", order: str = "chw") -> None:
        super().__init__()
        self.pad = nn.ZeroPad2d((0, 1, 0, 1) if padding == "behind" else 0)
        self.conv = nn.Conv2d(1, 4, 3, stride=2, padding=0 if padding == "behind" else 1, bias=False)
        self.norm = nn.BatchNorm2d(4, eps=epsilon)
        self.dense = nn.Linear(4 * 4 * 4, 8)
        self.head = nn.Linear(8, 10)
        self.order = order

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.conv(self.pad(x))))
        x = x.permute(0, 2, 3, 1) if self.order == "hwc" else x
        return self.head(torch.relu(self.dense(x.flatten(1))))
