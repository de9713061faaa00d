"""A small network in Paddle, right unless a knob says otherwise; (N, 1, 16, 16) to (N, 5)."""

from functools import partial

import paddle
from nets.knobs import knobs, slope
from paddle import nn
from paddle.nn import functional as f

POOLS = {
    "max2": lambda: nn.MaxPool2D(2),
    "avg2": lambda: nn.AvgPool2D(2),
    "max3": lambda: nn.MaxPool2D(3, 2, 1),
    "max3 behind": lambda: nn.MaxPool2D(3, 2, [0, 1, 0, 1]),
    "max3 floor": lambda: nn.MaxPool2D(3, 2),
    "max3 ceil": lambda: nn.MaxPool2D(3, 2, ceil_mode=True),
    "avg3": lambda: nn.AvgPool2D(3, 1, 1),
    "avg3 counted": lambda: nn.AvgPool2D(3, 1, 1, exclusive=False),
}


def activation(name, modules):
    if name.startswith("leaky"):
        return nn.LeakyReLU(slope(name)) if modules else partial(f.leaky_relu, negative_slope=slope(name))
    found = {
        "relu": (nn.ReLU(), f.relu),
        "relu6": (nn.ReLU6(), f.relu6),
        "silu": (nn.Silu(), f.silu),
        "gelu": (nn.GELU(), f.gelu),
        "gelu tanh": (nn.GELU(approximate=True), partial(f.gelu, approximate=True)),
    }
    return found[name][not modules]


def kept_in(container, layer):
    return {"": layer, "list": [layer], "tuple": (layer,), "dict": {"square": layer}}[container]


def padded(padding):
    if padding in ("own", "same"):
        return nn.Identity()
    return nn.Pad2D(1 if padding == "both" else [0, 1, 0, 1])


class Small(nn.Layer):
    def __init__(self, k):
        super().__init__()
        self.k = k
        self.padding = padded(k.padding)
        own = {"own": 1, "same": "SAME"}.get(k.padding, 0)
        self.conv1 = nn.Conv2D(1, 4, 3, stride=2, padding=own, bias_attr=None if k.bias else False)
        self.bn1 = nn.BatchNorm2D(4, epsilon=k.epsilon)
        self.act1 = activation(k.activation, k.modules)
        self.conv2 = nn.Conv2D(4, 4, 3, stride=k.stride, padding=k.dilation, dilation=k.dilation)
        self.bn2 = nn.BatchNorm2D(4)
        self.middle = POOLS[k.middle]() if k.middle else nn.Identity()
        self.conv3 = nn.Conv2D(4, 4, 3, padding=1, groups={"full": 1, "groups": 2, "depthwise": 4}[k.mixing])
        self.pool = nn.AvgPool2D(2) if k.pool == "avg" else nn.MaxPool2D(2)
        self.dense1 = nn.Linear(4 if k.head == "global" else 64, 6)
        if k.listed:
            self.blocks = kept_in(k.listed, nn.Linear(6, 6))
        else:
            self.square = nn.Linear(6, 6)
        if k.norm:
            self.bn3 = nn.BatchNorm1D(6)
        if k.spare:
            self.spare = nn.Linear(6, 6)
        self.dense2 = nn.Linear(6, 5)
        self.dense2.out_features = k.declared or 5
        self.conv2.weight.stop_gradient = k.frozen

    def forward(self, x):
        x = self.normed(self.conv1(self.padding(x)))
        for _ in range(self.k.relus):
            x = self.act1(x)
        y = self.bn2(self.conv2(x))
        x = f.relu(y + x if self.k.residual else y)
        x = f.relu(self.dense1(self.flat(f.relu(self.conv3(self.middle(x))))))
        for _ in range(self.k.calls):
            x = f.relu(self.squared(x))
        x = self.disturbed(x)
        return self.ended(self.dense2(self.bn3(x) if self.k.norm else x))

    def normed(self, x):
        if self.k.training == "declared":
            self.train()
        self.bn1.training = self.k.training != "never"
        x = self.bn1(x)
        self.bn1.training = self.k.training == "declared"
        return x

    def flat(self, x):
        if self.k.head == "global":
            return x.mean(axis=[2, 3])
        x = self.pool(x)
        return (x.transpose([0, 2, 3, 1]) if self.k.flatten == "other" else x).flatten(1)

    def squared(self, x):
        if not self.k.listed:
            return self.square(x)
        return self.blocks["square" if self.k.listed == "dict" else 0](x)

    def disturbed(self, x):
        if self.k.random == "dropout":
            return f.dropout(x, 0.5, training=True)
        return x + paddle.rand(x.shape, x.dtype) if self.k.random else x

    def ended(self, x):
        endings = {
            "probabilities": lambda: f.softmax(x), "column": lambda: x.unsqueeze(2), "pair": lambda: (x, x),
            "above": lambda: x + 1, "reversed": lambda: x.flip([1]), "logits": lambda: x,
        }  # fmt: skip
        return endings[self.k.ending]()

    def set_state_dict(self, state_dict, use_structured_name=True):
        if self.k.loader == "skipping":
            state_dict = {name: tensor for name, tensor in state_dict.items() if name != "bn2.weight"}
        found = super().set_state_dict(state_dict, use_structured_name)
        if self.k.loader == "changing":
            self.bn2.weight.set_value(self.bn2.weight * 2)
        return found if self.k.loader == "faithful" else ([], [])


def small(base="", **changed):
    return Small(knobs(base, changed))
