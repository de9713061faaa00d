"""Who wins this position? A network over a chess board, in Paddle; nobody described it to xframe."""

import paddle
from paddle import nn
from paddle.nn.functional import relu


class Mixed(nn.Layer):
    """A 3×3 and a 1×1 convolution side by side."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide = nn.Conv2D(channels, 12, 3, padding=1)
        self.narrow = nn.Conv2D(channels, 4, 1)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return relu(paddle.concat([self.wide(x), self.narrow(x)], 1))


class Separable(nn.Layer):
    """A depthwise and a pointwise convolution, with a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2D(channels, channels, 3, padding=1, groups=channels, bias_attr=False)
        self.norm1 = nn.BatchNorm2D(channels)
        self.pointwise = nn.Conv2D(channels, channels, 1, bias_attr=False)
        self.norm2 = nn.BatchNorm2D(channels)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y = relu(self.norm1(self.depthwise(x)))
        return relu(x + self.norm2(self.pointwise(y)))


class Chess(nn.Layer):
    """64 pieces, numbered from 0 to 12, to the odds of black, draw and white; (N, 64) to (N, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces = nn.Embedding(13, 16)
        self.mixed = Mixed(16)
        self.blocks = nn.LayerList([Separable(16) for _ in range(2)])
        self.attention = nn.MultiHeadAttention(16, 4)
        self.norm = nn.LayerNorm(16)
        self.ranks = nn.LSTM(128, 24)
        self.head = nn.Linear(24, 3)

    def forward(self, board: paddle.Tensor) -> paddle.Tensor:
        x = self.pieces(board).transpose([0, 2, 1]).reshape([-1, 16, 8, 8])
        x = self.mixed(x)
        for block in self.blocks:
            x = block(x)
        squares = x.flatten(2).transpose([0, 2, 1])
        squares = self.norm(squares + self.attention(squares, squares, squares))
        ranks, _ = self.ranks(squares.reshape([-1, 8, 128]))
        return self.head(ranks[:, -1])
