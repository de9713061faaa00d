"""A small network over token ids in PyTorch, right unless an option says otherwise; (N, 7) to (N, 5)."""

import torch
from torch import nn


class Sequence(nn.Module):
    def __init__(self, epsilon, scale):
        super().__init__()
        self.scale = scale
        self.embed = nn.Embedding(6, 6)
        self.lstm = nn.LSTM(6, 6, batch_first=True)
        self.rnn = nn.RNN(6, 6, batch_first=True)
        self.gru = nn.GRU(6, 6, batch_first=True)
        self.attend = nn.MultiheadAttention(6, 2, batch_first=True)
        self.norm = nn.LayerNorm(6, eps=epsilon)
        self.mix = nn.Linear(6, 6)
        self.head = nn.Linear(6, 5)

    def forward(self, tokens):
        x = self.embed(tokens)
        for recurrent in (self.lstm, self.rnn, self.gru):
            x, _ = recurrent(x)
        attended, _ = self.attend(x * self.scale, x, x, need_weights=False)
        x = torch.tanh(self.mix(self.norm(x + attended)))
        return self.head(x[:, -1])


def sequence(epsilon=1e-5, scale=1.0):
    return Sequence(epsilon, scale)


class Stacked(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(6, 4)
        self.gru = nn.GRU(4, 3, num_layers=2, bidirectional=True, batch_first=True)
        self.lstm = nn.LSTM(6, 4, bidirectional=True, batch_first=True)
        self.conv = nn.Conv1d(8, 6, 3, padding=1)
        self.slope = nn.PReLU(6)
        self.groups = nn.GroupNorm(2, 6, eps=1e-3)

    def forward(self, tokens):
        x, _ = self.gru(self.embed(tokens))
        x, _ = self.lstm(x)
        return self.groups(self.slope(self.conv(x.transpose(1, 2))))


def stacked():
    """(N, 7) to (N, 6, 7): a sequence that becomes a map of one dimension, its features behind the batch."""
    return Stacked()
