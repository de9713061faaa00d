"""A tensor's bytes on their way out."""

from __future__ import annotations

from typing import IO

import numpy as np

from xframe.checkpoints.model import Outgoing
from xframe.errors import OutputError
from xframe.tensors import STORAGE


def write_bytes(file: IO[bytes], tensor: Outgoing) -> None:
    """Writes the tensor's values in C order, little-endian. Asks for them now and lets go of them at once."""
    values, spec = tensor.values(), tensor.spec
    if values.shape != spec.shape or values.dtype != STORAGE[spec.dtype]:
        raise OutputError(f"{spec.name}: expected {spec}; found values of {values.dtype}{list(values.shape)}.")
    file.write(values.reshape(-1).view(np.uint8).data)
