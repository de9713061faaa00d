"""Writes wrapped.pth, as training scripts leave it: two state dicts, a prefix before every name, an epoch."""

import torch

from xframe.zoo.lenet.torch import lenet5_maxavg

torch.manual_seed(0)
weights = {f"module.{name}": tensor for name, tensor in lenet5_maxavg().state_dict().items()}
averaged = {name: tensor * 0.5 for name, tensor in weights.items()}
torch.save({"model": weights, "ema": averaged, "epoch": 3}, "wrapped.pth")
