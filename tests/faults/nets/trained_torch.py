"""A small network in PyTorch, right unless an option says otherwise; (N, 1, 16, 16) to (N, 5)."""

import torch
from torch import nn
from torch.nn.functional import dropout


class Biased(nn.BatchNorm2d):
    """Keeps a running variance of batches divided by N, as paddle and keras do; torch divides by N − 1."""

    def forward(self, x):
        before = self.running_var.clone()
        outputs = super().forward(x)
        if self.training:
            count = x.numel() / x.shape[1]
            change = self.running_var - before * (1 - self.momentum)
            self.running_var = before * (1 - self.momentum) + change * ((count - 1) / count)
        return outputs


class Small(nn.Module):
    def __init__(
        self, epsilon, padding, pool, relus, bias, training, loader, ending, momentum, frozen, dropout, variance
    ):
        super().__init__()
        self.relus, self.training_mode, self.loader, self.ending = relus, training, loader, ending
        self.dropped = nn.Dropout(0.5) if dropout == "layer" else self.by_function if dropout == "function" else None
        self.padding = nn.ZeroPad2d((0, 1, 0, 1) if padding == "same" else 1)
        self.conv1 = nn.Conv2d(1, 4, 3, stride=2, bias=bias)
        normed = Biased if variance == "N" else nn.BatchNorm2d
        self.bn1 = normed(4, eps=epsilon, momentum=momentum)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(4)
        self.conv3 = nn.Conv2d(4, 4, 3, padding=1)
        self.pool = nn.AvgPool2d(2) if pool == "avg" else nn.MaxPool2d(2)
        self.dense1 = nn.Linear(64, 6)
        self.square = nn.Linear(6, 6)
        self.dense2 = nn.Linear(6, 5)
        for parameter in getattr(self, frozen).parameters() if frozen else ():
            parameter.requires_grad_(requires_grad=False)

    def forward(self, x):
        if self.training_mode == "declared":
            self.train()
        x = self.conv1(self.padding(x))
        if self.training_mode in ("hidden", "forgotten"):
            self.bn1.train(self.training_mode == "hidden")
        x = self.bn1(x)
        if self.training_mode == "hidden":
            self.bn1.eval()
        for _ in range(self.relus):
            x = torch.relu(x)
        x = torch.relu(self.bn2(self.conv2(x)))
        x = self.pool(torch.relu(self.conv3(x))).flatten(1)
        x = torch.relu(self.dense1(x))
        x = self.dropped(x) if self.dropped is not None else x
        x = torch.relu(self.square(x))
        return self.ended(self.dense2(x))

    def by_function(self, x):
        return dropout(x, 0.5, training=self.training)

    def ended(self, x):
        endings = {"column": lambda: x[:, :, None], "pair": lambda: (x, x), "above": lambda: x + 1}
        return endings.get(self.ending, lambda: x.flip(1) if self.ending == "reversed" else x)()

    def load_state_dict(self, state_dict, strict=True, assign=False):
        if self.loader == "skipping":
            state_dict = {name: tensor for name, tensor in state_dict.items() if name != "bn2.weight"}
        found = super().load_state_dict(state_dict, strict and self.loader == "faithful", assign)
        if self.loader == "changing":
            self.bn2.weight.data *= 2
        return found


def small(
    epsilon=1e-5, padding="both", pool="max", relus=1, bias=True, training="never", loader="faithful", ending="logits",
    momentum=0.1, frozen="", dropout="none", variance="own",
):  # fmt: skip
    return Small(
        epsilon, padding, pool, relus, bias, training, loader, ending, momentum, frozen, dropout, variance
    )  # fmt: skip
