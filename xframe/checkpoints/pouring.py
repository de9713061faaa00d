"""A file written by place: everything's offset is known before a tensor is read, so all cores write at once.

A format states its ``Layout``. Each tensor is then read, rearranged, summed and written strip by strip, in one pass: no
more than a few strips of it are in memory.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import deflate

from xframe.checkpoints.model import Outgoing
from xframe.digests import Digest
from xframe.errors import OutputError
from xframe.native import pieces
from xframe.tensors import STORAGE, TensorSpec

Piece = tuple[int, bytes]
Tell = Callable[[int], None]
_MOST_THREADS = 8
_PIECE = 2**16


@dataclass(frozen=True, slots=True)
class Slot:
    """A tensor's place. ``crc`` starts its checksum (CRC-32) where the format wants one: that of what stands before."""

    offset: int
    tensor: Outgoing
    crc: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A file before its tensors: ``pieces`` are known, ``slots`` are to be filled in their order.

    ``close`` gives, for the checksums of all slots, the pieces that had to wait for them.
    """

    pieces: Sequence[Piece]
    slots: Sequence[Slot]
    close: Callable[[Sequence[int]], Iterable[Piece]] = lambda _: ()


@dataclass(frozen=True, slots=True)
class Poured:
    """A tensor that was written, and its digest if one was wanted."""

    spec: TensorSpec
    digest: str = ""


def silent(nbytes: int) -> None:
    """Progress that nobody sees."""


def pour(path: Path, layout: Layout, *, digests: bool = False, tell: Tell = silent) -> list[Poured]:
    """Writes the file at ``path``, which is there and empty; ``tell`` hears how many bytes went out.

    Raises OSError where the disk refuses, OutputError where a tensor is not what it was said to be.
    """
    handle = os.open(path, os.O_WRONLY)
    try:
        _reserve(handle, layout)
        work = _Pouring(handle, digests=digests, tell=tell)
        done = work.all(layout.slots)
        for offset, data in (*layout.pieces, *layout.close([checksum for _, checksum in done])):
            _write(handle, data, offset)
    finally:
        os.close(handle)
    return [poured for poured, _ in done]


def _reserve(handle: int, layout: Layout) -> None:
    """Room on the disk for all that is known to come: a full one says so before a tensor is computed."""
    ends = [offset + len(data) for offset, data in layout.pieces]
    ends += [slot.offset + slot.tensor.spec.nbytes for slot in layout.slots]
    if end := max(ends, default=0):
        try:
            os.posix_fallocate(handle, 0, end)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):  # a file system that cannot
                raise


class _Pouring:
    """One file under way."""

    def __init__(self, handle: int, *, digests: bool, tell: Tell) -> None:
        self._handle = handle
        self._digests = digests
        self._tell = tell
        self._stop = threading.Event()

    def all(self, slots: Sequence[Slot]) -> list[tuple[Poured, int]]:
        """Every slot, on all cores. The first error, or Ctrl-C, ends the others at their next strip."""
        threads = min(len(os.sched_getaffinity(0)), _MOST_THREADS)
        with ThreadPoolExecutor(threads, thread_name_prefix="pouring") as executor:
            try:
                return list(executor.map(self._fill, slots))
            except BaseException:
                self._stop.set()
                executor.shutdown(cancel_futures=True)
                raise

    def _fill(self, slot: Slot) -> tuple[Poured, int]:
        try:
            return self._filled(slot)
        except BaseException:
            self._stop.set()  # here, for ``all`` hears of it only after the slots before this one
            raise

    def _filled(self, slot: Slot) -> tuple[Poured, int]:
        spec, position, end = slot.tensor.spec, slot.offset, slot.offset + slot.tensor.spec.nbytes
        digest, checksum, storage = Digest() if self._digests else None, slot.crc or 0, STORAGE[spec.dtype]
        for strip in slot.tensor.strips():
            if self._stop.is_set():
                break
            if strip.dtype != storage or position + strip.nbytes > end:
                raise _unlike(spec, f"values of {strip.dtype}, {position + strip.nbytes - slot.offset}")
            is_written = _write(self._handle, strip.data, position, wait=False)
            if digest is not None:
                digest.update(strip)
            if slot.crc is not None:
                checksum = deflate.crc32(strip.data, checksum)
            if not is_written:  # another thread had its turn: what there was to sum has been summed meanwhile
                _write(self._handle, strip.data, position)
            position += strip.nbytes
            self._tell(strip.nbytes)
        if position != end and not self._stop.is_set():
            raise _unlike(spec, str(position - slot.offset))
        return Poured(spec, str(digest or "")), checksum


def _unlike(spec: TensorSpec, found: str) -> OutputError:
    return OutputError(f"{spec}: expected {spec.nbytes} bytes; found {found} bytes.")


def _write(handle: int, data: bytes | memoryview, offset: int, *, wait: bool = True) -> bool:
    """All of it, a piece at a time; or, unless it is to ``wait``, nothing while another thread writes.

    ``pieces.c`` says why. Says whether it has written.
    """
    write = _in_pieces if pieces is None else pieces.write
    return write(handle, data, offset, wait)


def _in_pieces(handle: int, data: bytes | memoryview, offset: int, _wait: bool) -> bool:  # takes what pieces.c takes
    left = memoryview(data)
    left = left.cast("B") if left.nbytes else left
    while left:
        written = os.pwrite(handle, left[: _PIECE - offset % _PIECE], offset)  # the system may take less at once
        left, offset = left[written:], offset + written
    return True
