"""What to try where a folder was given for a weight file: most often the file is in it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from shlex import quote

from xframe.checkpoints.refusals import shown

_INDEX = ".index.json"
_MOST = 3
_ELSE = "the path of a file"
_BY_TORCH = (
    "python -m torch.distributed.checkpoint.format_utils dcp_to_torch {folder} weights.pth, and then weights.pth"
)
_BY_PADDLE = "load it with paddle.distributed.load_state_dict and paddle.save the state dict"


def file_in(folder: Path, extensions: Iterable[str]) -> str:
    """The weight files in ``folder`` as words to try: the index where there is one, for it names its shards.

    A name tells them, by ``extensions``: nothing is opened. Of a checkpoint that was saved by many processes (with
    ``torch.distributed.checkpoint``, or ``paddle.distributed.save_state_dict``) its framework makes a file.
    Raises OSError.
    """
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    if any(name.endswith(".distcp") for name in names):
        return _BY_TORCH.format(folder=quote(str(folder))) if ".metadata" in names else _BY_PADDLE
    indices = [name for name in names if name.endswith(_INDEX)]
    found = indices or [name for name in names if name.lower().endswith(tuple(extensions))]
    more = f" or another of {len(found)}" if len(found) > _MOST else ""
    return ", ".join(str(folder / shown(name)) for name in found[:_MOST]) + more if found else _ELSE
