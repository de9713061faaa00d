"""What a file's name says of who reads and writes it. No framework, no worker."""

from __future__ import annotations

from pathlib import Path

from xframe import checkpoints
from xframe.checkpoints.model import Checkpoint
from xframe.errors import UsageError
from xframe.mapping import Implementation
from xframe.planning import Values

KERAS_ONLY = (".weights.h5", ".keras")  # which variable is which, only a built Keras model knows


def framework_writes(path: Path, implementation: Implementation) -> bool:
    """Whether only the implementation's framework itself can read and write a file of this name."""
    return implementation.framework.name == "keras" and path.name.endswith(KERAS_ONLY)


def framework_loads(path: Path, implementation: Implementation) -> bool:
    """Whether the framework has a loader of its own for this file."""
    return path.name.endswith(implementation.framework.extensions)


def check_output(path: Path, implementation: Implementation) -> None:
    """Raise UsageError for an extension that names no format, or one that another framework alone can write."""
    checkpoints.format_of(path)
    if path.name.endswith(KERAS_ONLY) and not framework_writes(path, implementation):
        raise UsageError(
            f"{path}: only Keras writes {' and '.join(KERAS_ONLY)}, and the target is {implementation.name}. "
            f"Try {', '.join(implementation.framework.extensions)}, .safetensors or .npz."
        )


def partial_ending(path: Path) -> str:
    """How a hidden partial file ends: like the file that it will be, for loaders that look at the name."""
    return ".partial" + "".join(path.suffixes[-2:])


def reader(checkpoint: Checkpoint) -> Values:
    """How a plan reads this checkpoint's tensors."""
    return lambda name: checkpoint.tensors[name].array()
