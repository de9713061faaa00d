"""The network of chess_paddle.py, written anew in PyTorch."""

import torch
from torch import nn


class Block(nn.Sequential):
    """A depthwise and a pointwise convolution, with a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x + super().forward(x)).relu()


class Chess(nn.Module):
    """64 pieces, numbered from 0 to 12, to the odds of black, draw and white; (N, 64) to (N, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(13, 16)
        self.conv1x1, self.conv3x3 = nn.Conv2d(16, 4, 1), nn.Conv2d(16, 12, 3, padding=1)
        self.trunk = nn.Sequential(Block(16), Block(16))
        self.attend = nn.MultiheadAttention(16, 4, batch_first=True)
        self.norm = nn.LayerNorm(16)
        self.lstm = nn.LSTM(128, 24, batch_first=True)
        self.fc = nn.Linear(24, 3)

    def forward(self, board: torch.Tensor) -> torch.Tensor:
        x = self.embed(board).mT.unflatten(2, (8, 8))
        x = torch.cat([self.conv3x3(x), self.conv1x1(x)], 1).relu()
        squares = self.trunk(x).flatten(2).mT
        squares = self.norm(squares + self.attend(squares, squares, squares)[0])
        ranks, _ = self.lstm(squares.reshape(-1, 8, 128))
        return self.fc(ranks[:, -1])
