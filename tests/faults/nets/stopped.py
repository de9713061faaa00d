"""The small network in PyTorch, with the same outputs as ever and gradients that stop, or a frozen layer."""

import torch
from nets.in_torch import Small
from nets.knobs import knobs


class Stopped(Small):
    def forward(self, x):
        x = self.conv1(self.padding(x))
        x = torch.relu(self.bn1(x)).detach()
        x = torch.relu(self.bn2(self.conv2(x)))
        x = self.pool(torch.relu(self.conv3(x))).flatten(1)
        return self.dense2(torch.relu(self.square(torch.relu(self.dense1(x)))))


def stopped(base=""):
    return Stopped(knobs(base, {}))


def frozen(base=""):
    model = Small(knobs(base, {}))
    model.conv2.weight.requires_grad_(requires_grad=False)
    return model
