"""A small network in PyTorch, right unless a knob says otherwise; (N, 1, 16, 16) to (N, 5)."""

from functools import partial

import torch
from nets.knobs import knobs, slope
from torch import nn
from torch.nn import functional as f

POOLS = {
    "max2": lambda: nn.MaxPool2d(2),
    "avg2": lambda: nn.AvgPool2d(2),
    "max3": lambda: nn.MaxPool2d(3, 2, 1),
    "max3 behind": lambda: nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(3, 2)),
    "max3 floor": lambda: nn.MaxPool2d(3, 2),
    "max3 ceil": lambda: nn.MaxPool2d(3, 2, ceil_mode=True),
    "avg3": lambda: nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    "avg3 counted": lambda: nn.AvgPool2d(3, 1, 1),
}


def activation(name, modules):
    if name.startswith("leaky"):
        return nn.LeakyReLU(slope(name)) if modules else partial(f.leaky_relu, negative_slope=slope(name))
    found = {
        "relu": (nn.ReLU(), torch.relu),
        "relu6": (nn.ReLU6(), f.relu6),
        "silu": (nn.SiLU(), f.silu),
        "gelu": (nn.GELU(), f.gelu),
        "gelu tanh": (nn.GELU("tanh"), partial(f.gelu, approximate="tanh")),
    }
    return found[name][not modules]


def kept_in(container, layer):
    return {"": layer, "list": [layer], "tuple": (layer,), "dict": {"square": layer}}[container]


def padded(padding):
    if padding == "own":
        return nn.Identity()
    return nn.ZeroPad2d(1 if padding == "both" else (0, 1, 0, 1))


class Small(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.k = k
        torch.set_float32_matmul_precision("medium" if k.flags else "highest")  # for the whole process
        self.padding = padded(k.padding)
        self.conv1 = nn.Conv2d(1, 4, 3, stride=2, padding=int(k.padding == "own"), bias=k.bias)
        self.bn1 = nn.BatchNorm2d(4, eps=k.epsilon)
        self.act1 = activation(k.activation, k.modules)
        self.conv2 = nn.Conv2d(4, 4, 3, stride=k.stride, padding=k.dilation, dilation=k.dilation)
        self.bn2 = nn.BatchNorm2d(4)
        self.middle = POOLS[k.middle]() if k.middle else nn.Identity()
        self.conv3 = nn.Conv2d(4, 4, 3, padding=1, groups={"full": 1, "groups": 2, "depthwise": 4}[k.mixing])
        self.pool = nn.AvgPool2d(2) if k.pool == "avg" else nn.MaxPool2d(2)
        self.dense1 = nn.Linear(4 if k.head == "global" else 64, 6)
        if k.listed:
            self.blocks = kept_in(k.listed, nn.Linear(6, 6))
        else:
            self.square = nn.Linear(6, 6)
        if k.norm:
            self.bn3 = nn.BatchNorm1d(6)
        if k.spare:
            self.spare = nn.Linear(6, 6)
        self.dense2 = nn.Linear(6, 5)
        self.dense2.out_features = k.declared or 5
        self.conv2.weight.requires_grad_(not k.frozen)

    def forward(self, x):
        x = self.normed(self.conv1(self.padding(x)))
        for _ in range(self.k.relus):
            x = self.act1(x)
        y = self.bn2(self.conv2(x))
        x = torch.relu(y + x if self.k.residual else y)
        x = torch.relu(self.dense1(self.flat(torch.relu(self.conv3(self.middle(x))))))
        for _ in range(self.k.calls):
            x = torch.relu(self.squared(x))
        x = self.disturbed(x)
        return self.ended(self.dense2(self.bn3(x) if self.k.norm else x))

    def normed(self, x):
        if self.k.training == "declared":
            self.train()
        self.bn1.train(self.k.training != "never")
        x = self.bn1(x)
        self.bn1.train(self.k.training == "declared")
        return x

    def flat(self, x):
        if self.k.head == "global":
            return x.mean(dim=(2, 3))
        x = self.pool(x)
        return (x.permute(0, 2, 3, 1) if self.k.flatten == "other" else x).flatten(1)

    def squared(self, x):
        if not self.k.listed:
            return self.square(x)
        return self.blocks["square" if self.k.listed == "dict" else 0](x)

    def disturbed(self, x):
        if self.k.random == "dropout":
            return f.dropout(x, 0.5, training=True)
        return x + torch.rand_like(x) if self.k.random else x

    def ended(self, x):
        endings = {
            "probabilities": lambda: x.softmax(1), "column": lambda: x[:, :, None], "pair": lambda: (x, x),
            "above": lambda: x + 1, "reversed": lambda: x.flip(1), "logits": lambda: x,
        }  # fmt: skip
        return endings[self.k.ending]()

    def load_state_dict(self, state_dict, strict=True, assign=False):
        if self.k.loader == "skipping":
            state_dict = {name: tensor for name, tensor in state_dict.items() if name != "bn2.weight"}
        found = super().load_state_dict(state_dict, strict and self.k.loader == "faithful", assign)
        if self.k.loader == "changing":
            self.bn2.weight.data *= 2
        return found


def small(base="", **changed):
    return Small(knobs(base, changed))
