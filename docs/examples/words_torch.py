"""Words in a sentence, read by a GRU and by attention, in PyTorch."""

import torch
from torch import nn


class Words(nn.Module):
    """Token ids (N, T) to logits (N, 2)."""

    def __init__(self, vocabulary: int = 50) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 12)
        self.gru = nn.GRU(12, 12, batch_first=True)
        self.attention = nn.MultiheadAttention(12, 3, batch_first=True)
        self.head = nn.Linear(12, 2)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits of the last word."""
        x, _ = self.gru(self.embedding(tokens))
        x, _ = self.attention(x, x, x)
        return self.head(x[:, -1])
