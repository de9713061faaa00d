"""The script that people paste: one process, both frameworks, every matrix transposed, nothing checked."""

import sys

import paddle
import torch

NAMES = {"_mean": "running_mean", "_variance": "running_var"}

state = {}
for name, tensor in paddle.load(sys.argv[1]).items():
    layer, _, last = name.rpartition(".")
    values = torch.from_numpy(tensor.numpy())
    state[f"{layer}.{NAMES.get(last, last)}"] = values.t().contiguous() if values.ndim == 2 else values
torch.save(state, sys.argv[2])
