"""A model of linear layers of any size: a table, and Paddle's weights for it without Paddle."""

import numpy as np

from xframe import checkpoints
from xframe.checkpoints import Outgoing
from xframe.tensors import TensorSpec

TABLE = """summary = "linear layers"
input   = [{side}]

[implementations]
paddle = {{ build = "nowhere:paddle" }}
torch  = {{ build = "nowhere:torch" }}

[[layers]]
kind   = "linear"
for    = {{ i = "0..{last}" }}
sizes  = {{ in = {side}, out = {side} }}
paddle = "linear{{i}}"
torch  = "linear{{i}}"
"""


def make(folder, layers, side, seed=0):
    """``linears.toml`` and ``linears.pdparams`` in ``folder``: ``layers`` weights of ``side`` × ``side`` float32."""
    (folder / "linears.toml").write_text(TABLE.format(last=layers - 1, side=side))
    numbers = np.random.default_rng(seed).standard_normal(side * side + layers, dtype=np.float32)
    tensors = []
    for index in range(layers):
        weight = numbers[index : index + side * side].reshape(side, side)
        for name, values in (("weight", weight), ("bias", weight[index % side])):
            spec = TensorSpec(f"linear{index}.{name}", values.shape, "float32")
            tensors.append(Outgoing.whole(spec, lambda values=values: values))
    checkpoints.write(folder / "linears.pdparams", None, tensors)
    return folder / "linears.toml", folder / "linears.pdparams"
