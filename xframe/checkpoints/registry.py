"""Which format a file is of, and the two verbs: read and write.

The content of a file decides how it is read; its extension decides how it is written, unless a format is named.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType

from xframe.checkpoints.budget import Budget
from xframe.checkpoints.folders import file_in
from xframe.checkpoints.later import Later
from xframe.checkpoints.model import Checkpoint, Format, Glance, Outgoing, Reader
from xframe.checkpoints.pouring import Layout, Poured, Tell, pour, silent
from xframe.checkpoints.refusals import refusal, shown
from xframe.checkpoints.staging import staged
from xframe.checkpoints.tensorflow.places import index_of
from xframe.errors import CheckpointError, UsageError

_ZIP, _PICKLE = b"PK", rb"\x80|c"
READERS = (
    Later("torch", "torch.archive:TorchZip", begins=_ZIP, extensions=(".pth", ".pt", ".bin", ".ckpt")),
    Later("paddle", "paddle.params:PaddlePickle", begins=_PICKLE, extensions=(".pdparams", ".pdopt")),
    Later("safetensors", "safetensors:Safetensors", begins=rb".{8}\s*\{", extensions=(".safetensors",)),
    Later("npz", "npz:Npz", begins=_ZIP, extensions=(".npz",)),
    Later("torch (legacy)", "torch.legacy:TorchLegacy", begins=rb"\x80.(\x95.{8})?\x8a\x0a"),
    Later("weights.h5", "keras.weights:KerasWeights", begins=rb"\x89HDF"),
    Later("keras", "keras.weights:KerasArchive", begins=_ZIP),
    Later("paddle-inference", "paddle.inference:PaddleInference", begins=rb"\x00{4}|\n|\s*\{"),
    Later("onnx", "onnx.model:Onnx", begins=rb"\x08"),
    Later("sharded", "sharded:ShardIndex", lambda path, budget: read(path, budget), begins=rb"\s*\{"),  # noqa: PLW0108  it is below
    Later("tensorflow", "tensorflow.bundle:TensorBundle", ends=bytes.fromhex("57fb808b247547db")),
)
FORMATS: tuple[Format, ...] = tuple(form for form in READERS if form.extensions)
# Keras alone can write these: their layout follows its own layer objects.
WRITTEN_BY_KERAS: Mapping[str, str] = MappingProxyType(
    {".weights.h5": "weights.h5", ".keras": "keras", ".index": "tensorflow"}
)
_EXTENSIONS: Mapping[str, str] = MappingProxyType(
    {**{extension: form.name for form in FORMATS for extension in form.extensions}, **WRITTEN_BY_KERAS}
)
_HEAD, _TAIL = 4096, 64
_DEFAULT = Budget()
_ZIP_END = b"PK\x05\x06"
_MOST_EXPANSION = 16
_MOST_NEAR = 3
_SAVE_AGAIN = "load it in PyTorch and torch.save its state_dict() again"
_NO_WEIGHTS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "git lfs pull"),
    (b"<", "a web page or XML", "download the file itself"),
    (b"\x1f\x8b", "gzip data", "unpack it"),
    (b"\x93NUMPY", "one .npy array, which has no name", "numpy.savez it under its name"),
    (b"\x80", "a pickle of a protocol above 5", "save it with protocol 4"),
)  # fmt: skip


def format_of(path: Path | str) -> str:
    """The format that a file of that name is written in. Raises UsageError for an extension that says none.

    >>> format_of("resnet18.pth"), format_of("resnet18.weights.h5")
    ('torch', 'weights.h5')
    """
    name = Path(path).name.lower()
    for extension in sorted(_EXTENSIONS, key=len, reverse=True):
        if name.endswith(extension):
            return _EXTENSIONS[extension]
    known = ", ".join(_EXTENSIONS)
    raise UsageError(f"{path}: expected an extension among {known}; found {Path(path).suffix or 'none'}.")


def read(path: Path | str, budget: Budget = _DEFAULT) -> Checkpoint:
    """The checkpoint at ``path``: names, shapes, dtypes and places of its tensors. No tensor's bytes are read.

    ``budget`` bounds what a file may make us unpack. Raises CheckpointError for anything but a sound weight file,
    UnsafeCheckpoint for one that asks for code to be run.
    """
    path = Path(path)
    try:
        path = index_of(path) or path
        before = _checked_stat(path)
        checkpoint = _format_in(path).read(path, budget)
        after = path.stat()
        size = _bytes_read(checkpoint, after.st_size)
    except OSError as error:
        attempt = "another path, or permission to read this one"
        raise refusal(path, expected="a readable file", found=str(error), attempt=attempt) from error
    if (before.st_ino, before.st_size, before.st_mtime_ns) != (after.st_ino, after.st_size, after.st_mtime_ns):
        raise refusal(path, expected="a file at rest", found="one that changes as it is read", attempt="again later")
    _check_expansion(checkpoint, size)
    return _with_extension_note(checkpoint)


def write(
    path: Path | str,
    format_name: str | None,
    tensors: Sequence[Outgoing],
    *,
    digests: bool = False,
    tell: Tell = silent,
) -> list[Poured]:
    """Writes ``tensors`` to ``path`` whole or not at all; ``format_name`` None means by extension.

    ``digests`` asks for every tensor's, in the same pass; ``tell`` hears the bytes go. Raises UsageError for a format
    or tensor that cannot be written so, OutputError if the file cannot be written.
    """
    layout = _layout(format_name or format_of(path), tensors)
    with staged(path) as stage:
        poured = pour(stage.path, layout, digests=digests, tell=tell)
        stage.publish()
    return poured


def encode(
    path: Path, format_name: str, tensors: Sequence[Outgoing], *, digests: bool = False, tell: Tell = silent
) -> list[Poured]:
    """Writes ``tensors`` into the empty file at ``path``, for callers with a stage of their own: see ``staged``."""
    return pour(path, _layout(format_name, tensors), digests=digests, tell=tell)


def _layout(format_name: str, tensors: Sequence[Outgoing]) -> Layout:
    check_names(tensors)
    return _writable(format_name).layout(tensors)


def _writable(format_name: str) -> Format:
    for form in FORMATS:
        if form.name == format_name:
            return form
    if format_name in WRITTEN_BY_KERAS.values():
        raise UsageError(f"expected a format that needs no framework; found {format_name}, which Keras itself writes.")
    known = ", ".join(form.name for form in FORMATS)
    raise UsageError(f"expected a format among {known}; found {format_name}.")


def check_names(tensors: Sequence[Outgoing]) -> None:
    """Raises UsageError for a name that two tensors have."""
    counts = Counter(tensor.spec.name for tensor in tensors)
    twice = [shown(name) for name, count in counts.items() if count > 1]
    if twice:
        raise UsageError(f"expected every name once; found again: {', '.join(twice)}.")


def _checked_stat(path: Path) -> os.stat_result:
    if not path.exists():
        raise _missing(path)
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        kind, attempt = "a device, pipe or socket", "the path of a file"
        if stat.S_ISDIR(status.st_mode):
            kind, attempt = "a folder", file_in(path, [*_EXTENSIONS, ".pdiparams", ".h5", ".onnx"])
        raise refusal(path, expected="a weight file", found=kind, attempt=attempt)
    if status.st_size == 0:
        raise refusal(path, expected="a weight file", found="an empty one")
    return status


def _missing(path: Path) -> CheckpointError:
    names = sorted(entry.name for entry in path.parent.iterdir()) if path.parent.is_dir() else []
    # Frameworks take a prefix where several files are one model; a file has its whole name here.
    near = [name for name in names if name.startswith(f"{path.name}.")] or get_close_matches(path.name, names)
    attempt = ", ".join(map(shown, near[:_MOST_NEAR])) or "another path"
    return refusal(path, expected="a weight file", found="nothing of that name", attempt=attempt)


def _format_in(path: Path) -> Reader:
    """The one format that the file's content is of."""
    glance = _glance(path)
    fitting = [form for form in READERS if form.matches(glance)]
    if glance.tail[-22:-18] == _ZIP_END and not glance.head.startswith(b"PK"):
        raise refusal(
            path, expected="a file of one format", found="one that ends as a zip archive and starts otherwise"
        )
    if len(fitting) != 1:
        raise _unknown(path, glance.head, fitting)
    return fitting[0]


def _glance(path: Path) -> Glance:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(max(0, size - _TAIL))
        return Glance(head, file.read(_TAIL), size)


def _unknown(path: Path, head: bytes, fitting: Sequence[Reader]) -> CheckpointError:
    names = ", ".join(form.name for form in READERS)
    found, attempt = f"one of {' and '.join(form.name for form in fitting)} at once", "save it again"
    if not fitting:
        found, attempt = _recognised(head)
    return refusal(path, expected=f"a weight file ({names})", found=found, attempt=attempt)


def _recognised(head: bytes) -> tuple[str, str]:
    if head[257:262] == b"ustar":
        return "a tar archive, as PyTorch wrote before 0.1.10", _SAVE_AGAIN
    for start, found, attempt in _NO_WEIGHTS:
        if head.lstrip().startswith(start):
            return found, attempt
    return f"unknown content that starts with {head[:8].hex(' ')}", "save the weights in one of these formats"


def _bytes_read(checkpoint: Checkpoint, size: int) -> int:
    """``size`` of the file that was asked for, and those of the files beside it that its tensors lie in."""
    beside = {tensor.extent.path for tensor in checkpoint.tensors.values() if tensor.extent is not None}
    return size + sum(path.stat().st_size for path in beside - {checkpoint.path})


def _check_expansion(checkpoint: Checkpoint, size: int) -> None:
    """Ties and expanded tensors may make a file larger in memory than on disk, but not without bound."""
    dense = sum(tensor.spec.nbytes for tensor in checkpoint.tensors.values() if tensor.extent is not None)
    if dense > _MOST_EXPANSION * size:
        raise refusal(
            checkpoint.path,
            expected=f"tensors of at most {_MOST_EXPANSION} times the file's {size} bytes",
            found=f"{dense} bytes, by stride 0 or by repetition",
            attempt="save the tensors without expanding them",
        )


def _with_extension_note(checkpoint: Checkpoint) -> Checkpoint:
    """Says so when the extension promises another format than the content keeps."""
    try:
        promised = format_of(checkpoint.path)
    except UsageError:
        return checkpoint
    if promised == checkpoint.format.removesuffix(" (legacy)"):
        return checkpoint
    note = f"named as {promised}, but its content is {checkpoint.format}"
    return checkpoint.noting(note)
