"""Ports of the small networks in nets/, with a fault planted in the table or in one of the networks."""

import numpy as np
import pytest


@pytest.fixture
def plant(port, tmp_path):
    """Port a Sheet from its source to its target."""

    def run(sheet, **options):
        return port(sheet.write(tmp_path / "small.toml"), sheet.source, sheet.target, **options)

    return run


@pytest.fixture
def random_file(port, tmp_path):
    """Random weights of one implementation as .npz, some of them replaced."""

    def make(model, implementation, **replaced):
        drawn = port(model, implementation, implementation, out=tmp_path / "drawn.npz", verify=False)
        tensors = dict(np.load(drawn.out))
        for name, values in replaced.items():
            tensors[name] = values.astype(tensors[name].dtype).reshape(tensors[name].shape)
        np.savez(tmp_path / "replaced.npz", **tensors)
        return tmp_path / "replaced.npz"

    return make
