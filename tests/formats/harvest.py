"""A pytest plugin: keeps a copy of every file that a test gives to ``checkpoints.read``, and of what lies beside it.

``-p harvest`` with XFRAME_HARVEST naming an empty folder. Each case is a folder ``<module>-<digest>``: in ``files`` a
copy of the file's folder as it stood, in ``asked`` the name of the file that was read.
"""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from xframe import checkpoints

MOST = 2**24  # bytes of a case: larger ones are bombs, which test_memory.py reads


@pytest.fixture(autouse=True)
def _kept(request, monkeypatch):
    read, module = checkpoints.read, request.module.__name__

    def kept(path, *arguments, **options):
        keep(Path(path), module)
        return read(path, *arguments, **options)

    monkeypatch.setattr(checkpoints, "read", kept)


def keep(path, module):
    """A test's folder holds its own files alone, so that all of them are the case."""
    if not path.is_file():
        return
    beside = sorted(entry for entry in path.parent.rglob("*") if entry.is_file() and not entry.is_symlink())
    if sum(entry.stat().st_size for entry in beside) > MOST:
        return
    said = hashlib.sha256(path.name.encode() + b"".join(entry.read_bytes() for entry in [path, *beside])).hexdigest()
    case = Path(os.environ["XFRAME_HARVEST"], f"{module}-{said[:16]}")
    if not case.exists():
        shutil.copytree(path.parent, case / "files", symlinks=True, ignore=pipes)
        (case / "asked").write_text(path.name)


def pipes(folder, names):
    """What copytree would wait for."""
    entries = [Path(folder, name) for name in names]
    return [entry.name for entry in entries if not (entry.is_file() or entry.is_dir() or entry.is_symlink())]
