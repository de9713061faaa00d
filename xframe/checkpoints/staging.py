"""Files that appear whole or not at all: written under a hidden name beside the target, then renamed onto it."""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from xframe.errors import OutputError

_BESIDE = {".index": ".data-00000-of-00001"}  # TensorFlow's: a table of tensors, and their bytes


class Stage:
    """A partial file on its way to ``target``. Write to ``path``; ``publish`` when it is what it should be.

    ``beside`` are the partial and the final name of files that the target is nothing without.
    """

    def __init__(self, target: Path, path: Path, beside: Sequence[tuple[Path, Path]] = ()) -> None:
        self.target = target
        self.path = path
        self.beside = beside
        self.published = False

    def publish(self) -> None:
        """Gives the file the target's name, in one step that no crash can halve.

        Where an older file goes, the new one is flushed to the disk first: a power failure leaves one or the other.
        Files beside it go first. A crash between them leaves an old index over new data, which its checksums betray.
        """
        pairs = [*self.beside, (self.path, self.target)]
        replaces = any(target.exists() for _, target in pairs)
        for partial, _ in pairs if replaces else ():
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
        for partial, target in pairs:
            partial.replace(target)
        self.published = True
        if replaces:
            _sync_folder(self.target.parent)


@contextmanager
def staged(path: Path | str, *, ending: str = ".partial") -> Iterator[Stage]:
    """A Stage for ``path``. Unless it is published, the partial file is removed and whatever stood at ``path`` stays.

    A partial file that a killed process left is removed by the next one that writes to the same path.
    ``ending`` closes the partial file's name, for writers that insist on an extension. An OSError becomes OutputError:

        with staged("model.pth") as stage:
            stage.path.write_bytes(data)
            stage.publish()
    """
    target = Path(os.path.realpath(path))
    partial = target.with_name(f".{target.name}.{os.urandom(4).hex()}{ending}")
    beside = [(_beside(partial), Path(os.path.realpath(_beside(Path(path)))))] if partial.suffix in _BESIDE else []
    try:
        for file in (target, *(final for _, final in beside)):
            _check(Path(path), file)
        _sweep(target)
        with partial.open("xb") as handle:
            _is_ours(handle)
            yield Stage(target, partial, beside)
    except OSError as error:
        raise _failure(Path(path), error) from error
    finally:
        for file in (partial, *(file for file, _ in beside)):
            with suppress(OSError):  # what went wrong before is what to tell of
                file.unlink()


def with_those_beside(path: Path) -> list[Path]:
    """The file, and what it is nothing without."""
    return [path, _beside(path)] if path.suffix in _BESIDE else [path]


def _beside(path: Path) -> Path:
    return path.with_suffix(_BESIDE.get(path.suffix, ""))


def _sweep(target: Path) -> None:
    """Removes partial files for ``target`` whose writers have ended without a chance to do so."""
    for leaving in target.parent.glob(f".{glob.escape(target.name)}.{'[0-9a-f]' * 8}.partial*"):
        try:
            with leaving.open("rb+") as handle:
                if _is_ours(handle):
                    leaving.unlink()
        except OSError:  # another has swept it, or may
            continue


def _is_ours(handle: IO[bytes]) -> bool:
    """Locks the file for as long as ``handle`` is open; False where a living process holds it.

    The lock belongs to the open file (fcntl(2), F_OFD_SETLK): it ends with its process, however that ends, and is none
    of those that HDF5 takes.
    """
    try:
        fcntl.fcntl(handle, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except OSError:
        return False
    return True


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
        errno.ENAMETOOLONG: "a shorter name",
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
