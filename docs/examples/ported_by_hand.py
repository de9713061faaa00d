"""A port as one pastes it: names by a list, matrices transposed where shapes differ. Wrong: see the square ones."""

import sys

import numpy as np

RENAMED = {"conv": "stem.0", "norm": "stem.1", "project": "stem.4", "hidden.0": "blocks.0.0", "hidden.1": "blocks.1.0",
           "scale.0": "blocks.0.2", "scale.1": "blocks.1.2", "head": "head"}  # fmt: skip
TENSORS = {"_mean": "running_mean", "_variance": "running_var"}
OF_SCALES = {"weight": "gain", "bias": "shift"}


def main(source: str, target: str) -> None:
    """Read Paddle's tensors from one .npz, write PyTorch's into another."""
    ported = {}
    for name, values in np.load(source).items():
        layer, tensor = name.rsplit(".", 1)
        own = OF_SCALES[tensor] if layer.startswith("scale") else TENSORS.get(tensor, tensor)
        is_wide = values.ndim == 2 and values.shape[0] != values.shape[1]
        ported[f"{RENAMED[layer]}.{own}"] = values.T.copy() if is_wide else values
    np.savez(target, **ported)


main(*sys.argv[1:])
