"""A small network over token ids in Paddle, right unless an option says otherwise; (N, 7) to (N, 5)."""

import paddle
from paddle import nn


class Sequence(nn.Layer):
    def __init__(self, epsilon, scale):
        super().__init__()
        self.scale = scale
        self.embed = nn.Embedding(6, 6)
        self.lstm = nn.LSTM(6, 6)
        self.rnn = nn.SimpleRNN(6, 6)
        self.gru = nn.GRU(6, 6)
        self.attend = nn.MultiHeadAttention(6, 2)
        self.norm = nn.LayerNorm(6, epsilon=epsilon)
        self.mix = nn.Linear(6, 6)
        self.head = nn.Linear(6, 5)

    def forward(self, tokens):
        x = self.embed(tokens)
        for recurrent in (self.lstm, self.rnn, self.gru):
            x, _ = recurrent(x)
        attended = self.attend(x * self.scale, x, x)
        x = paddle.tanh(self.mix(self.norm(x + attended)))
        return self.head(x[:, -1])


def sequence(epsilon=1e-5, scale=1.0):
    return Sequence(epsilon, scale)


class Stacked(nn.Layer):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(6, 4)
        self.gru = nn.GRU(4, 3, num_layers=2, direction="bidirect")
        self.lstm = nn.LSTM(6, 4, direction="bidirect")
        self.conv = nn.Conv1D(8, 6, 3, padding=1)
        self.slope = nn.PReLU(6)
        self.groups = nn.GroupNorm(2, 6, epsilon=1e-3)

    def forward(self, tokens):
        x, _ = self.gru(self.embed(tokens))
        x, _ = self.lstm(x)
        return self.groups(self.slope(self.conv(x.transpose([0, 2, 1]))))


def stacked():
    """(N, 7) to (N, 6, 7): a sequence that becomes a map of one dimension, its features behind the batch."""
    return Stacked()
