"""Networks that are one in two ways of writing it, in PyTorch, for a table to be inferred; and some that are not.

Each has a plain version and one whose names say nothing, or that is written in another way.
"""

import torch
from nets.own_layers import Acted, Acting, Owning, Rooted, RootedRenamed
from nets.sharing import Repeated, RepeatedRenamed, Stack, StackShared, Tied, TiedRenamed, Towers
from torch import nn
from torch.nn.functional import avg_pool2d

__all__ = [
    "Acted",
    "Acting",
    "Attention",
    "AttentionShuffled",
    "Branches",
    "BranchesShuffled",
    "Four",
    "Fused",
    "Hidden",
    "Owning",
    "Plain",
    "Pointwise",
    "PointwiseOtherwise",
    "Repeated",
    "RepeatedRenamed",
    "Rooted",
    "RootedRenamed",
    "Shown",
    "Spare",
    "SpareRenamed",
    "Stack",
    "StackShared",
    "Sum",
    "Tied",
    "TiedRenamed",
    "Towers",
    "TwoInputs",
    "Unfused",
]


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


class Four(nn.Module):
    """Four layers that look like those of Repeated, and do something else between them; (N, 6) to (N, 6)."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(4))

    def forward(self, x):
        first, second, third, fourth = self.layers
        return fourth(third(second(first(x).tanh()).sigmoid()).tanh())


class TwoInputs(nn.Module):
    """It reads two."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, x, y):
        return self.first(x) + self.second(y)
