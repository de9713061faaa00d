"""Where the files of a tensor bundle lie: ``NAME.index``, ``NAME.data-00000-of-00001`` …, a SavedModel around them."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from xframe.checkpoints.refusals import refusal

INDEX = ".index"
_DATA = re.compile(r"\.data-\d{5,}-of-\d{5,}$")
_SAVED_MODEL, _VARIABLES = "saved_model.pb", "variables/variables.index"


def index_of(path: Path) -> Path | None:
    """The .index that ``path`` stands for: a bundle's prefix, one of its data files, a SavedModel's folder.

    None where it stands for itself. Raises CheckpointError for a SavedModel without variables.
    """
    if path.is_dir():
        return _of_saved_model(path) if (path / _SAVED_MODEL).is_file() else None
    prefix = _DATA.sub("", path.name)
    if path.exists() and prefix == path.name:
        return None
    index = path.with_name(f"{prefix}{INDEX}")
    return index if prefix and index.is_file() else None


def _of_saved_model(folder: Path) -> Path:
    index = folder / _VARIABLES
    if not index.is_file():
        raise refusal(folder, expected=f"a SavedModel with {_VARIABLES}", found="one without variables")
    return index


def data_file(index: Path, shard: int, count: int) -> tuple[Path, int]:
    """The data file ``shard`` of ``count`` and its size in bytes. Raises CheckpointError where it is not there."""
    path = index.with_name(f"{index.name.removesuffix(INDEX)}.data-{shard:05}-of-{count:05}")
    try:
        status = path.stat()
    except OSError:
        raise refusal(index, expected=f"{path.name} beside it", found="none", attempt="all files of it") from None
    if not stat.S_ISREG(status.st_mode):
        raise refusal(path, expected="a file", found="a folder, device, pipe or socket")
    return path, status.st_size
