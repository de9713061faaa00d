"""A small network with two branches in PyTorch; (N, 1, 8, 8) to (N, 5)."""

import torch
from torch import nn


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.conv3 = nn.Conv2d(4, 4, 1)
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        self.square = nn.Linear(128, 128)
        self.head = nn.Linear(128, 5)

    def forward(self, x):
        x = torch.relu(self.norm1(self.conv1(x)))
        x = torch.relu(torch.cat([self.conv2(x), self.conv3(x)], 1))
        x = torch.flatten(self.pool(x), 1)
        return self.head(torch.relu(self.square(x)))
