"""One linear layer in torch itself, which may go wrong when it runs."""

import os

import faulty
import torch


class Net(torch.nn.Module):
    def __init__(self, fault):
        super().__init__()
        self.linear = torch.nn.Linear(4, 2)
        self.fault = fault

    def forward(self, inputs):
        faulty.FAULTS[self.fault]()
        return self.linear(inputs.flatten(1))


def net():
    return Net("none")


def at_run():
    return Net(os.environ["FAULT"])
