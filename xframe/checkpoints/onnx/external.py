"""Tensors of ONNX that lie in files beside the model (onnx.proto: external_data; docs/ExternalData.md).

A stranger's model names these files, so that it must not be able to name others: a location is a plain path below the
model's folder, and no part of it is a link. A hard link is one too, as in onnx's own checker.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from xframe.checkpoints.model import StoredTensor
from xframe.checkpoints.refusals import refusal, shown
from xframe.tensors import Extent, TensorSpec

_NUMBER = re.compile(r"[0-9]{1,19}")
_SHA1 = re.compile(r"[0-9a-fA-F]{40}")
_KNOWN = frozenset({"location", "offset", "length", "checksum"})
_COPY = "put a copy of the file itself there"


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of one model, and the sizes and SHA-1s of files in it, each taken once."""

    path: Path
    sizes: dict[str, int] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def stored(self, place: str, spec: TensorSpec, said: Mapping[str, str]) -> StoredTensor:
        """The tensor at the place that ``said`` gives. Raises CheckpointError unless exactly its bytes lie there."""
        location = said.get("location", "")
        unknown = said.keys() - _KNOWN
        if unknown:
            raise refusal(place, expected="keys among " + ", ".join(sorted(_KNOWN)), found=shown(min(unknown)))
        size = self._size(place, location)
        offset = _number(place, said.get("offset", "0"))
        length = _number(place, said.get("length", str(max(0, size - offset))))
        if length != spec.nbytes or offset + length > size:
            found = f"{length} from byte {offset} of {size} in {shown(location)}"
            raise refusal(place, expected=f"{spec.nbytes} bytes for {shown(spec)}", found=found)
        extent = Extent.dense(self.path / location, offset, spec.shape, spec.dtype)
        return StoredTensor(spec=spec, extent=extent, check=self._check(place, location, said.get("checksum")))

    def check(self, place: str, location: str) -> None:
        """Raises CheckpointError for a location that is no plain file below the folder."""
        self._size(place, location)

    def _size(self, place: str, location: str) -> int:
        if location not in self.sizes:
            _check_plain(place, location)
            self.sizes[location] = _size_below(place, self.path, PurePosixPath(location))
        return self.sizes[location]

    def _check(self, place: str, location: str, checksum: str | None) -> partial[None] | None:
        if checksum is None:
            return None
        if not _SHA1.fullmatch(checksum):
            raise refusal(place, expected="a SHA-1 in hexadecimal", found=shown(checksum))
        return partial(self._verify, place, location, checksum.lower())

    def _verify(self, place: str, location: str, checksum: str) -> None:
        """``checksum`` is of the whole file that ``location`` names."""
        try:
            if location not in self.digests:
                with (self.path / location).open("rb") as file:
                    self.digests[location] = hashlib.file_digest(file, "sha1").hexdigest()
        except OSError as error:
            raise refusal(place, expected="a readable file", found=str(error), attempt="another copy") from None
        if self.digests[location] != checksum:
            found = f"{self.digests[location]}, of {shown(location)}"
            raise refusal(place, expected=f"the SHA-1 {checksum}", found=found)


def _check_plain(place: str, location: str) -> None:
    parts = location.split("/")
    if not location or "\\" in location or "\0" in location or "" in parts or ".." in parts:
        expected = "a plain path below the model's folder"
        raise refusal(place, expected=expected, found=f"the location {shown(location)!r}")


def _size_below(place: str, folder: Path, location: PurePosixPath) -> int:
    """The file's size, once every folder on the way to it is a folder and it is a file with no other name."""
    path = folder
    status: os.stat_result | None = None
    for part in location.parts:
        path /= part
        try:
            status = path.lstat()
        except (OSError, ValueError) as error:
            attempt = f"copy {shown(location)} beside the model"
            raise refusal(place, expected="its file", found=shown(error), attempt=attempt) from None
        if stat.S_ISLNK(status.st_mode):
            raise refusal(place, expected="a file without links", found=f"a link, {shown(part)}", attempt=_COPY)
    if status is None or not stat.S_ISREG(status.st_mode):
        raise refusal(place, expected="a file", found=f"none, at {shown(location)}", attempt=_COPY)
    if status.st_nlink > 1:
        raise refusal(place, expected="a file of one name", found=f"{status.st_nlink} hard links", attempt=_COPY)
    return status.st_size


def _number(place: str, text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise refusal(place, expected="a count of bytes", found=shown(text))
    return int(text)
