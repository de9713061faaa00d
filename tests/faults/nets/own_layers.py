"""Networks with parameters and classes of one's own, each in two ways of writing it."""

import torch
from torch import nn


class Affine(nn.Module):
    """Its parameters have names of their own; (N, 6) to (N, 6)."""

    def __init__(self):
        super().__init__()
        self.gain, self.shift, self.mixing = (nn.Parameter(torch.rand(*s)) for s in ((6,), (6,), (6, 6)))

    def forward(self, x):
        return (x @ self.mixing) * self.gain + self.shift


class AffineTransposed(nn.Module):
    """Other names in another order, and the matrix the other way round: no shape shows that."""

    def __init__(self):
        super().__init__()
        self.alpha, self.matrix, self.beta = (nn.Parameter(torch.rand(*s)) for s in ((6,), (6, 6), (6,)))

    def forward(self, x):
        return (x @ self.matrix.T) * self.beta + self.alpha


class Owning(nn.Module):
    """A layer of a class of its own; `kind` is Affine or AffineTransposed; (N, 6) to (N, 3)."""

    def __init__(self, transposed=False):
        super().__init__()
        self.affine = AffineTransposed() if transposed else Affine()
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.affine(x).relu())


class Rooted(nn.Module):
    """Parameters of the model's own, beside its layers: a token and positions; (N, 5, 6) to (N, 3)."""

    def __init__(self):
        super().__init__()
        self.token, self.position = nn.Parameter(torch.randn(1, 1, 6)), nn.Parameter(torch.randn(1, 6, 6))
        self.mask = nn.Parameter(torch.randn(1, 1, 6))
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = torch.cat([self.token.expand(len(x), -1, -1), x * self.mask], 1) + self.position
        return self.head(x.tanh().mean(1))


class RootedRenamed(nn.Module):
    """The same; the two that look alike stand the other way round."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(6, 3)
        self.a, self.b = nn.Parameter(torch.randn(1, 1, 6)), nn.Parameter(torch.randn(1, 1, 6))
        self.c = nn.Parameter(torch.randn(1, 6, 6))

    def forward(self, x):
        x = torch.cat([self.b.expand(len(x), -1, -1), x * self.a], 1) + self.c
        return self.fc(x.tanh().mean(1))


class Dense(nn.Linear):
    """A linear layer that does its activation itself, as Keras's can."""

    def __init__(self, read, gives, activation):
        super().__init__(read, gives)
        self.activation = activation

    def forward(self, x):
        return getattr(nn.functional, self.activation)(super().forward(x))


class Acting(nn.Module):
    """Layers with activations of their own; (N, 6) to (N, 3)."""

    def __init__(self, activation="gelu"):
        super().__init__()
        self.a, self.b, self.c = Dense(6, 6, activation), Dense(6, 6, activation), nn.Linear(6, 3)

    def forward(self, x):
        return self.c(self.b(self.a(x)))


class Acted(nn.Module):
    """The same, with the activations between the layers."""

    def __init__(self, activation="gelu"):
        super().__init__()
        self.act = getattr(nn.functional, activation)
        self.layers = nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 3), nn.Linear(6, 6)])

    def forward(self, x):
        second, last, first = self.layers
        return last(self.act(second(self.act(first(x)))))
