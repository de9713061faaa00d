"""Networks with layers or tensors that are used more than once, each in two ways of writing it."""

import copy

from torch import nn


class Repeated(nn.Module):
    """One layer called three times, and its like called once; (N, 6) to (N, 6)."""

    def __init__(self):
        super().__init__()
        self.once, self.thrice = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x):
        for _ in range(3):
            x = self.thrice(x).tanh()
        return self.once(x)


class RepeatedRenamed(nn.Module):
    """The same; what is called once comes first among the names."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)])

    def forward(self, x):
        once, again = self.layers
        for _ in range(3):
            x = again(x).tanh()
        return once(x)


class Tied(nn.Module):
    """An embedding that is also the last layer's matrix; tokens (N, T) to (N, T, 11)."""

    def __init__(self):
        super().__init__()
        self.embedding, self.head = nn.Embedding(11, 6), nn.Linear(6, 11, bias=False)
        self.mix = nn.Linear(6, 6)
        self.head.weight = self.embedding.weight

    def forward(self, x):
        return self.head(self.mix(self.embedding(x)).tanh())


class TiedRenamed(nn.Module):
    """The same, without a second layer: the matrix is used as it is."""

    def __init__(self):
        super().__init__()
        self.words, self.dense = nn.Embedding(11, 6), nn.Linear(6, 6)

    def forward(self, x):
        return self.dense(self.words(x)).tanh() @ self.words.weight.T


class Block(nn.Module):
    """A linear layer with a norm and a shortcut; (N, 6) to (N, 6)."""

    def __init__(self):
        super().__init__()
        self.mix, self.norm = nn.Linear(6, 6), nn.LayerNorm(6)

    def forward(self, x):
        return self.norm(x + self.mix(x).tanh())


class Stack(nn.Module):
    """Two blocks; `copied`: deep copies of one, as nn.TransformerEncoder makes them; `tied`: with one norm; (N, 3)."""

    def __init__(self, copied=False, tied=False):
        super().__init__()
        first = Block()
        self.blocks = nn.ModuleList(copy.deepcopy(first) if copied else Block() for _ in range(2))
        if tied:
            self.blocks[1].norm = self.blocks[0].norm
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class StackShared(nn.Module):
    """One block, called twice."""

    def __init__(self):
        super().__init__()
        self.block, self.last = Block(), nn.Linear(6, 3)

    def forward(self, x):
        return self.last(self.block(self.block(x)))


class Towers(nn.Module):
    """Two halves of the input through the same two layers; with `copied`, each through its own; (N, 12) to (N, 3)."""

    def __init__(self, copied=False):
        super().__init__()
        self.towers = nn.ModuleList(
            nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6)) for _ in range(1 + copied)
        )
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.towers[0](x[:, :6]) - self.towers[-1](x[:, 6:]))
