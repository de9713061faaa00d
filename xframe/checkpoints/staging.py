"""Files that appear whole or not at all: written under a hidden name beside the target, then renamed onto it."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xframe.errors import OutputError


class Stage:
    """A partial file on its way to ``target``. Write to ``path``; ``publish`` when it is what it should be."""

    def __init__(self, target: Path, path: Path) -> None:
        self.target = target
        self.path = path
        self.published = False

    def publish(self) -> None:
        """Gives the file the target's name, in one step that no crash can halve.

        Where an older file goes, the new one is flushed to the disk first: a power failure leaves one or the other.
        """
        replaces = self.target.exists()
        if replaces:
            with self.path.open("rb+") as file:
                os.fsync(file.fileno())
        self.path.replace(self.target)
        self.published = True
        if replaces:
            _sync_folder(self.target.parent)


@contextmanager
def staged(path: Path | str, *, ending: str = ".partial") -> Iterator[Stage]:
    """A Stage for ``path``. Unless it is published, the partial file is removed and whatever stood at ``path`` stays.

    ``ending`` closes the partial file's name, for writers that insist on an extension. An OSError becomes OutputError:

        with staged("model.pth") as stage:
            stage.path.write_bytes(data)
            stage.publish()
    """
    target = Path(os.path.realpath(path))
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}{ending}")
    try:
        _check(Path(path), target)
        partial.touch(exist_ok=False)
        yield Stage(target, partial)
    except OSError as error:
        raise _failure(Path(path), error) from error
    finally:
        partial.unlink(missing_ok=True)


def _check(path: Path, target: Path) -> None:
    if target.exists() and not target.is_file():
        raise OutputError(f"{path}: expected a file to write; found a folder or a device. Try: another name.")
    if not target.parent.is_dir():
        raise OutputError(f"{path}: expected the folder {target.parent}; there is none. Try: create it.")


def _failure(path: Path, error: OSError) -> OutputError:
    advice = {
        errno.ENOSPC: "free some space",
        errno.EDQUOT: "free some space",
        errno.EACCES: "another folder, or permission to write to this one",
        errno.EPERM: "another folder, or permission to write to this one",
        errno.EROFS: "another folder",
    }.get(error.errno or 0, "another folder")
    return OutputError(
        f"{path}: expected to write it; found {error}. Whatever stood there is untouched. Try: {advice}."
    )


def _sync_folder(folder: Path) -> None:
    """Flushes the rename itself."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
