"""HDF5 files with one layer, ``fc``, and how they are parsed without a process of their own."""

import h5py
import numpy as np
import pytest

from xframe.checkpoints.budget import AMPLE
from xframe.checkpoints.keras.child import variables
from xframe.checkpoints.keras.hdf5 import Window
from xframe.checkpoints.keras.values import Values
from xframe.errors import CheckpointError

VARS = "layers/dense/vars"


def names(path, budget=AMPLE):
    """Parsed in this process, which is quicker; the last tests go through the process that ``read`` starts."""
    values = Values(path.with_suffix(".values"), budget)
    return list(variables(Window(path, 0, path.stat().st_size), values)[1])


def refuse(path, match=None, parse=names):
    with pytest.raises(CheckpointError, match=match) as raised:
        parse(path)
    assert str(path) in str(raised.value)


def weights(path, build):
    with h5py.File(path, "w") as file:
        group = file.create_group(VARS)
        group.attrs["name"] = "fc"
        build(file, group)
    return path


def soft(file, group):
    file["real"] = np.ones(2)
    group["0"] = h5py.SoftLink("/real")
