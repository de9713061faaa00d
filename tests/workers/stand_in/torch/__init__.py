"""As much of torch as its worker touches, so that a worker starts in no time; its import may be told to fail."""

import contextlib
import os

import faulty

from torch import nn

__all__ = ["nn"]
__version__ = "stand-in"
uint8 = uint16 = float32 = float64 = None
inference_mode = contextlib.nullcontext
Tensor = object  # whatever a model gives is one


def from_numpy(array):
    return array


faulty.FAULTS[os.environ.get("FAULT_AT_IMPORT", "none")]()
