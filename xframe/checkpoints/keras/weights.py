"""Keras' weight files, read only: .weights.h5, the .keras archive around one, and the legacy .h5 with lists of names.

Keras 3 files a variable under ``layers/<automatic name>/vars/<index>``, and the layer's own name only in an attribute
of ``vars``; here it is ``<layer>/vars/<index>``, in nested models ``<model>/<layer>/vars/<index>``. ``config.json``,
which can name code, is never opened.
"""

from __future__ import annotations

from pathlib import Path

from xframe.checkpoints import zips
from xframe.checkpoints.budget import Budget
from xframe.checkpoints.keras import hdf5
from xframe.checkpoints.keras.hdf5 import Window
from xframe.checkpoints.model import Checkpoint, Glance
from xframe.checkpoints.refusals import refusal

_WEIGHTS = "model.weights.h5"
_OPTIMIZER = ("optimizer/", "optimizer_weights/")


class KerasWeights:
    """The format of ``model.save_weights("….weights.h5")``, and of Keras 2's .h5."""

    name = "weights.h5"
    extensions: tuple[str, ...] = (".weights.h5", ".h5", ".hdf5")

    def matches(self, glance: Glance) -> bool:
        """An HDF5 file without a user block."""
        return glance.head.startswith(hdf5.MAGIC)

    def read(self, path: Path, budget: Budget) -> Checkpoint:
        """Names, shapes and places of all variables but the optimizer's."""
        return _read(Window(path, 0, path.stat().st_size), self.name, budget)


class KerasArchive:
    """The format of ``model.save("….keras")``: a stored zip archive with a .weights.h5 in it."""

    name = "keras"
    extensions: tuple[str, ...] = (".keras",)

    def matches(self, glance: Glance) -> bool:
        """A zip archive that starts with one of Keras' members."""
        return zips.first_name(glance.head) in {"metadata.json", "config.json", _WEIGHTS}

    def read(self, path: Path, budget: Budget) -> Checkpoint:
        """The variables in the archive's model.weights.h5, in place: nothing is unpacked."""
        member = zips.members(path).get(_WEIGHTS)
        if member is None or not member.stored:
            raise refusal(path, expected=f"a stored {_WEIGHTS}", found="none", attempt="model.save_weights")
        return _read(Window(path, member.offset, member.size), self.name, budget)


def optimizer_variables(path: Path, budget: Budget) -> Checkpoint:
    """The optimizer's variables in a .keras archive, optimizer/vars/<index>; the reader of weights leaves them out.

    Index 0 counts the steps, 1 is the learning rate. Raises CheckpointError.
    """
    from xframe.checkpoints.keras.process import parsed  # noqa: PLC0415 - 15 ms that other formats need not pay

    member = zips.members(path).get(_WEIGHTS)
    if member is None or not member.stored:
        raise refusal(path, expected=f"a stored {_WEIGHTS}", found="none", attempt="compile and model.save")
    _, tensors = parsed(Window(path, member.offset, member.size), budget)
    kept = {label: tensor for label, tensor in tensors.items() if label.startswith(_OPTIMIZER)}
    return Checkpoint(path=path, format="keras", tensors=kept, notes=())


def _read(window: Window, name: str, budget: Budget) -> Checkpoint:
    from xframe.checkpoints.keras.process import parsed  # noqa: PLC0415 - 15 ms that other formats need not pay

    kind, tensors = parsed(window, budget)
    kept = {label: tensor for label, tensor in tensors.items() if not label.startswith(_OPTIMIZER)}
    notes = (f"left out: {len(tensors) - len(kept)} variables of the optimizer",) if len(kept) < len(tensors) else ()
    return Checkpoint(path=window.path, format="h5" if kind == "legacy" else name, tensors=kept, notes=notes)
