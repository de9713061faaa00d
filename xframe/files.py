"""What a file's name says of who reads and writes it. No framework, no worker."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from xframe import checkpoints
from xframe.checkpoints import Budget, Selection
from xframe.checkpoints.model import Checkpoint
from xframe.checkpoints.staging import with_those_beside
from xframe.errors import UsageError
from xframe.mapping import Implementation, Table
from xframe.planning import Values

_KERAS_ONLY = (".weights.h5", ".keras")  # which variable is which, only a built Keras model knows
_WRITES = {"keras": (*_KERAS_ONLY, ".index"), "tf": (".index",)}  # .index: of state-dict names, so anyone can read it
_NEEDS_A_WRITER = {ending for endings in _WRITES.values() for ending in endings}


def framework_writes(path: Path, implementation: Implementation) -> bool:
    """Whether only the implementation's framework itself can write a file of this name."""
    return path.name.endswith(_WRITES.get(implementation.framework.name, ()))


def framework_reads(path: Path, implementation: Implementation) -> bool:
    """Whether only the implementation's framework itself knows which tensor of a file of this name is which."""
    return implementation.framework.name == "keras" and path.name.endswith(_KERAS_ONLY)


def framework_loads(path: Path, implementation: Implementation) -> bool:
    """Whether the framework has a loader of its own for this file."""
    return path.name.endswith(implementation.framework.extensions)


def check_output(path: Path, implementation: Implementation) -> None:
    """Raise UsageError for an extension that names no format, or one that another framework alone can write."""
    checkpoints.format_of(path)
    if path.name.endswith(tuple(_NEEDS_A_WRITER)) and not framework_writes(path, implementation):
        writers = sorted(name for name, endings in _WRITES.items() if path.name.endswith(endings))
        raise UsageError(
            f"{path}: only {' or '.join(writers)} writes such a file, and the target is {implementation.name}. "
            f"Try {', '.join(implementation.framework.extensions)}, .safetensors or .npz."
        )


def check_apart(read: Iterable[Path | None], written: Iterable[Path | None]) -> None:
    """Raise UsageError where a file would be written over one that is read, or over another that is written.

    Nothing would be left of the source then. Links are looked through; None is a file that nobody asked for.
    """
    taken = {os.path.realpath(path): "the one that is read" for path in read if path is not None}
    for path in (file for asked in written if asked is not None for file in with_those_beside(asked)):
        place = os.path.realpath(path)  # not resolve(), which fails at a link to itself
        if place in taken:
            raise UsageError(f"{path}: expected a file of its own to write; found {taken[place]}. Try: another name.")
        taken[place] = "another that is written"


def partial_ending(path: Path) -> str:
    """How a hidden partial file ends: like the file that it will be, for loaders that look at the name."""
    return ".partial" + "".join(path.suffixes[-2:])


def written_bytes(path: Path) -> int:
    """Bytes of a written file, and of those beside it that it is nothing without: TensorFlow's ``.data-…``."""
    beside = path.parent.glob(f"{path.stem}.data-?????-of-?????") if path.suffix == ".index" else ()
    return path.stat().st_size + sum(file.stat().st_size for file in beside)


def opened_weights(
    path: Path, table: Table, implementation: Implementation, selection: Selection, budget: Budget
) -> Checkpoint:
    """The source's file, with what ``selection`` says of it. Raises UsageError where Keras decides about names."""
    if not framework_reads(path, implementation):
        here = implementation.name
        expected = [entry.names[here].name for entry in table.entries if here in entry.names]
        return checkpoints.opened(path, selection, budget, expected)
    if selection:
        raise UsageError(
            f"{path}: --select, --strip-prefix and --stored-as are for state dicts, and a Keras model reads this file "
            "itself. Try: without them."
        )
    return checkpoints.opened(path, selection, budget)


def reader(checkpoint: Checkpoint) -> Values:
    """How a plan reads this checkpoint's tensors."""
    return lambda name: checkpoint.tensors[name].array()
