"""Networks that are one in two ways of writing it, in PyTorch, for a table to be inferred; and some that are not.

Each has a plain version and one whose names say nothing, or that is written in another way.
"""

import copy

import torch
from torch import nn
from torch.nn.functional import avg_pool2d


class Branches(nn.Module):
    """Three branches of the same shapes, side by side; (N, 3, 8, 8) to (N, 5)."""

    def __init__(self):
        super().__init__()
        self.near = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
        self.far = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
        self.pooled = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        pooled = self.pooled(avg_pool2d(x, 3, stride=1, padding=1))
        maps = torch.cat([self.near(x), self.far(x).relu(), pooled], 1)
        return self.head(maps.mean((2, 3)))


class BranchesShuffled(nn.Module):
    """The branches are registered and run in another order, under names that say nothing."""

    def __init__(self):
        super().__init__()
        self.a1, self.a2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)  # pooled
        self.b1, self.b2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)  # far
        self.c1, self.c2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)  # near
        self.out = nn.Linear(12, 5)

    def forward(self, x):
        first = self.a1(avg_pool2d(x, 3, stride=1, padding=1)).relu()
        second, third = self.b1(x).relu(), self.c1(x).relu()
        far, near, pooled = self.b2(second).relu(), self.c2(third), self.a2(first)
        return self.out(torch.cat([near, far, pooled], 1).mean((2, 3)))


class Attention(nn.Module):
    """Queries, keys and values of one shape, from one input; (N, 6, 8) to (N, 6, 8)."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.out = nn.Linear(8, 8)

    def forward(self, x):
        scores = self.query(x) @ self.key(x).transpose(1, 2)
        return self.out(scores.softmax(-1) @ self.value(x))


class AttentionShuffled(nn.Module):
    """Values first, then keys, then queries, and none of them called so."""

    def __init__(self):
        super().__init__()
        self.lin0, self.lin1, self.lin2, self.lin3 = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, x):
        values, keys, queries = self.lin0(x), self.lin1(x), self.lin2(x)
        return self.lin3((queries @ keys.transpose(1, 2)).softmax(-1) @ values)


class Sum(nn.Module):
    """Two layers of one shape whose outputs are added: either may be either; (N, 6) to (N, 3)."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, x):
        return self.one(x) + self.two(x)


class Pointwise(nn.Module):
    """Convolutions that could be written otherwise; (N, 3, 6, 1) to (N, 5)."""

    def __init__(self):
        super().__init__()
        self.along = nn.Conv2d(3, 4, (3, 1), padding=(1, 0))
        self.mix = nn.Conv2d(4, 6, 1)
        self.head = nn.Conv2d(6, 5, (6, 1))

    def forward(self, x):
        return self.head(self.mix(self.along(x).relu()).relu()).flatten(1)


class PointwiseOtherwise(nn.Module):
    """The first as a 1-D convolution, the second and the third as linear layers."""

    def __init__(self):
        super().__init__()
        self.conv, self.linear, self.last = nn.Conv1d(3, 4, 3, padding=1), nn.Linear(4, 6), nn.Linear(36, 5)

    def forward(self, x):
        x = self.conv(x.squeeze(-1)).relu()
        x = self.linear(x.transpose(1, 2)).relu().transpose(1, 2)
        return self.last(x.flatten(1))


class Spare(nn.Module):
    """A layer that is registered and never called; (N, 6) to (N, 3)."""

    def __init__(self):
        super().__init__()
        self.first, self.spare, self.last = nn.Linear(6, 4), nn.Linear(9, 2), nn.Linear(4, 3)

    def forward(self, x):
        return self.last(self.first(x).relu())


class SpareRenamed(Spare):
    """The same, under other names."""

    def __init__(self):
        nn.Module.__init__(self)
        self.a, self.b, self.c = nn.Linear(9, 2), nn.Linear(6, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.c(self.b(x).relu())


class Plain(nn.Module):
    """Two convolutions; `norm` puts a batch norm between them, `epsilon` is its; (N, 3, 8, 8) to (N, 5)."""

    def __init__(self, norm=False, epsilon=1e-5, bias=True, classes=5):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, bias=bias)
        self.norm = nn.BatchNorm2d(4, eps=epsilon) if norm else nn.Identity()
        self.conv2 = nn.Conv2d(4, classes, 3)

    def forward(self, x):
        return self.conv2(self.norm(self.conv1(x)).relu()).mean((2, 3))


class Hidden(nn.Module):
    """Its second layer is in a plain list, so that no state dict has it; (N, 6) to (N, 3)."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 4)
        self.rest = [nn.Linear(4, 4)]
        self.last = nn.Linear(4, 3)

    def forward(self, x):
        return self.last(self.rest[0].to(x.dtype)(self.first(x)).relu())


class Shown(Hidden):
    """The same, registered."""

    def __init__(self):
        super().__init__()
        self.rest = nn.ModuleList(self.rest)


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


class Fused(nn.Module):
    """Attention with two heads; queries, keys and values by one layer, in this `order`, head by head if `by_head`."""

    def __init__(self, order="qkv", by_head=False):
        super().__init__()
        self.order, self.by_head = order, by_head
        self.first, self.qkv, self.out = nn.Linear(8, 8), nn.Linear(8, 24), nn.Linear(8, 8)

    def forward(self, x):
        x = self.first(x)
        joined = self.qkv(x)
        if self.by_head:
            parts = joined.reshape(*x.shape[:2], 2, 3, 4).permute(3, 0, 2, 1, 4)
        else:
            parts = joined.reshape(*x.shape[:2], 3, 2, 4).permute(2, 0, 3, 1, 4)
        found = dict(zip(self.order, parts, strict=True))
        mixed = (found["q"] @ found["k"].transpose(2, 3)).softmax(-1) @ found["v"]
        return self.out(mixed.transpose(1, 2).flatten(2))


class Unfused(nn.Module):
    """The same, with a layer for each."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.value, self.key, self.query, self.out = (nn.Linear(8, 8) for _ in range(4))
        self.heads = 2

    def forward(self, x):
        x = self.first(x)
        query, key, value = (
            part(x).reshape(*x.shape[:2], 2, 4).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        mixed = (query @ key.transpose(2, 3)).softmax(-1) @ value
        return self.out(mixed.transpose(1, 2).flatten(2))


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


class Four(nn.Module):
    """Four layers that look like those of Repeated, and do something else between them; (N, 6) to (N, 6)."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(4))

    def forward(self, x):
        first, second, third, fourth = self.layers
        return fourth(third(second(first(x).tanh()).sigmoid()).tanh())


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


class TwoInputs(nn.Module):
    """It reads two."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, x, y):
        return self.first(x) + self.second(y)


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
