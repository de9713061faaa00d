"""A narrow network in network, trained in PyTorch; `torch.py DIGITS.npz OUT.pth`."""

import sys

import numpy as np
import torch

from xframe.zoo.nin.torch import nin

images, labels = (np.load(sys.argv[1])[name] for name in ("images", "labels"))
order = np.random.default_rng(0)


def batches(size, epochs):
    for _ in range(epochs):
        yield from np.array_split(order.permutation(len(images)), len(images) // size)


torch.manual_seed(0)
network = nin(in_channels=1, wide=36, middle=30, narrow=18)
for parameter in network.parameters():  # PyTorch's own start lets the signal of nine layers fade
    if parameter.ndim > 1:
        torch.nn.init.kaiming_normal_(parameter)
optimizer = torch.optim.Adam(network.parameters(), 2e-3)
for batch in batches(32, 9):
    logits = network(torch.from_numpy(images[batch]))
    torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels[batch])).backward()
    optimizer.step()
    optimizer.zero_grad()
torch.save(network.state_dict(), sys.argv[2])
