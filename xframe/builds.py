"""Where an implementation's model comes from, as the ``build`` of its column says it.

Three sorts, told apart by the text alone: ``module:factory``, a file of code ``./net.py:factory``, and a saved model,
a path without a colon such as ``./net.pt``. Parent and worker both read this text, so nothing else is imported here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

CODE = ".py"
FOLDER = "a SavedModel folder"
SAVED = {"torch": (".pt",), "paddle": (".json", ".pdmodel"), "keras": (".keras",), "tf": ()}  # endings of saved models
PROGRAM = "saved_model.pb"  # what makes a folder a SavedModel
_WEIGHTS = (
    ".pth", ".bin", ".pdparams", ".pdopt", ".pdiparams", ".weights.h5", ".h5", ".hdf5", ".safetensors", ".npz",
    ".index", ".ckpt",
)  # fmt: skip
_MODULE = re.compile(r"[\w.]+")
_ATTRIBUTE = re.compile(r"\w+(\.\w+)*")
FORMS = "module:factory, a file of code ./net.py:factory, or a saved model's path such as ./net.pt"


@dataclass(frozen=True, slots=True)
class Build:
    """A parsed ``build``. ``place`` is a module's name or a path; ``attribute`` is "" where the model itself is saved.

    ``said`` is the table's own text, which messages and certificates repeat.
    """

    said: str
    place: str
    attribute: str = ""

    @classmethod
    def parse(cls, text: str) -> Build:
        """Raises ValueError for a text that is of no sort, or that names weights."""
        place, colon, attribute = text.rpartition(":")
        if not colon:
            return cls(text, _saved(text))
        if place.endswith(CODE):
            fits = _ATTRIBUTE.fullmatch(attribute) is not None
        else:
            fits = _MODULE.fullmatch(place) is not None and _ATTRIBUTE.fullmatch(attribute) is not None
        if not fits:
            raise ValueError(f"expected {FORMS}; found '{text}'")
        return cls(text, place, attribute)

    @property
    def is_file(self) -> bool:
        """Whether it is a file of code: ``./net.py:factory``."""
        return bool(self.attribute) and self.place.endswith(CODE)

    @property
    def is_saved(self) -> bool:
        """Whether it is a saved model, in which there is no code."""
        return not self.attribute and self != NOTHING

    @property
    def text(self) -> str:
        """What the worker is sent: the same grammar, the path absolute once ``within`` has made it so."""
        return f"{self.place}:{self.attribute}" if self.attribute else self.place

    def within(self, folder: Path) -> Build:
        """The same with its path, if it is one, taken from ``folder``."""
        if not (self.is_file or self.is_saved):
            return self
        return replace(self, place=str((folder / self.place).absolute()))

    def files(self) -> Iterator[Path]:
        """The files that decide what is built, as far as they are there: none for ``module:factory``."""
        path = Path(self.place)
        if self.is_file or (self.is_saved and path.suffix in (*SAVED["torch"], *SAVED["keras"])):
            yield path
        elif self.is_saved and path.suffix in SAVED["paddle"]:
            beside = (path, path.with_suffix(".pdiparams"), path.with_suffix(".pdiparams.info"))
            yield from (file for file in beside if file.is_file())
        elif self.is_saved:
            yield from sorted(file for file in path.rglob("*") if file.is_file())

    def foreign_to(self, framework: str) -> str:
        """Why a saved model is none of ``framework``'s; "" where it may be."""
        if not self.is_saved or framework not in SAVED:
            return ""
        suffix = Path(self.place).suffix
        owner = next((name for name, endings in SAVED.items() if suffix in endings), "tf")
        if owner == framework:
            return ""
        own = " or ".join(SAVED[framework]) or FOLDER
        return f"'{self.said}' is a saved model of {owner}; expected {own} in a column of {framework}"


NOTHING = Build("", "")  # of a column whose weights are known by name, and no model: they can be converted


def _saved(text: str) -> str:
    """The path of a saved model, ``saved_model.pb`` taken for its folder. Raises ValueError for anything else."""
    path = Path(text)
    if text.endswith(_WEIGHTS):
        raise ValueError(f"'{text}' holds weights and no model: build it from code, and pass them by --weights")
    if path.name == PROGRAM:
        return str(path.parent)
    if path.suffix == CODE:
        raise ValueError(f"expected the factory's name behind the file, as in {text}:Net; found '{text}'")
    if path.suffix == ".onnx":
        raise ValueError(f"'{text}' is a graph, which `xframe diff` takes as a side of its own; expected {FORMS}")
    endings = {ending for known in SAVED.values() for ending in known}
    if path.suffix not in endings and ("/" not in text or path.suffix):
        raise ValueError(f"expected {FORMS}; found '{text}'")
    return text


def nearest(name: str, candidates: Sequence[str]) -> str:
    """`` Did you mean 'Net'?``, or nothing where no candidate is like ``name``."""
    found = difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)
    return f" Did you mean '{found[0]}'?" if found else ""
