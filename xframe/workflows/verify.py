"""``verify``: whether a file still holds, bit for bit, the tensors that a port proved. No framework."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xframe import checkpoints
from xframe.checkpoints import Budget, Checkpoint
from xframe.digests import digest
from xframe.errors import Problem
from xframe.proving.certificate import Certificate, read_certificate
from xframe.stopwatch import Progress, silent
from xframe.tensors import TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """What a file is, held against a certificate; true where it holds every tensor and nothing else.

    ``by_name`` is False where the file has names of its own (Keras's formats): contents alone were compared then.
    """

    certificate: Certificate
    file: Path
    by_name: bool
    problems: tuple[Problem, ...]

    def __bool__(self) -> bool:
        return not self.problems

    @property
    def exit_code(self) -> int:
        return 0 if self else 1

    def to_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        said = self.certificate
        return {
            "command": "verify",
            "certificate": str(said.path),
            "file": str(self.file),
            "model": said.model,
            "source": said.source,
            "target": said.target,
            "proven": said.verdict,
            "verdict": "unchanged" if self else "different",
            "tensors": len(said.tensors),
            "by_name": self.by_name,
            "problems": [problem.to_json() for problem in self.problems],
        }


def verify(certificate: Path, file: Path, *, budget: Budget | None = None, progress: Progress = silent) -> VerifyResult:
    """Hold the weight file ``file`` against ``certificate``. Raises CheckpointError where either cannot be read."""
    said = read_certificate(certificate)
    held = checkpoints.read(file, budget or Budget())
    progress("reading every tensor")
    progress.expect(held.nbytes)
    own_names = held.format in {"weights.h5", "keras", "h5"}
    problems = _by_content(said, held, progress) if own_names else _by_name(said, held, progress)
    return VerifyResult(certificate=said, file=file, by_name=not own_names, problems=tuple(problems))


def _by_name(said: Certificate, held: Checkpoint, progress: Progress) -> Iterator[Problem]:
    for name, (spec, proven) in said.tensors.items():
        tensor = held.tensors.get(name)
        if tensor is None:
            yield Problem(kind="missing", tensor=name, detail="the file has no such tensor")
        elif tensor.spec != spec:
            yield _other(spec, tensor.spec)
        elif digest(tensor.array()) != proven:
            yield Problem(kind="digest", tensor=name, detail="its values are not those that were proven")
        progress.advance(spec.nbytes)
    for name in held.tensors.keys() - said.tensors.keys():
        yield Problem(kind="unused", tensor=name, detail="the certificate says nothing of it")


def _other(proven: TensorSpec, held: TensorSpec) -> Problem:
    if proven.shape != held.shape:
        detail = f"proven with the shape {list(proven.shape)}, the file has {list(held.shape)}"
        return Problem(kind="shape", tensor=proven.name, detail=detail)
    return Problem(kind="dtype", tensor=proven.name, detail=f"proven as {proven.dtype}, the file has {held.dtype}")


def _by_content(said: Certificate, held: Checkpoint, progress: Progress) -> Iterator[Problem]:
    """Each proven tensor must be in the file as often as it was proven, under whatever name."""
    found: Counter[str] = Counter()
    names = {}
    for name, tensor in held.tensors.items():
        found[mark := digest(tensor.array())] += 1
        names[mark] = name
        progress.advance(tensor.spec.nbytes)
    for name, (_, proven) in said.tensors.items():
        if not found[proven]:
            yield Problem(kind="digest", tensor=name, detail="no tensor of the file has the values that were proven")
        found[proven] -= 1
    for mark in +found:
        yield Problem(kind="unused", tensor=names[mark], detail="the certificate says nothing of its values")
