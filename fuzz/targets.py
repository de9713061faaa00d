"""What is fuzzed: for each parser, bytes in, and nothing out but success or CheckpointError."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from xframe import checkpoints
from xframe.checkpoints import npz, registry, zips
from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import Checkpoint, Glance, StoredTensor
from xframe.checkpoints.paddle import params
from xframe.checkpoints.pickles.symbolic import Rules, interpret
from xframe.checkpoints.protobuf import Span
from xframe.checkpoints.torch import tensors as torch_tensors
from xframe.checkpoints.tree import flatten
from xframe.errors import CheckpointError

_BUDGET = Budget(2**24)
_LARGEST_VALUES = 2**18  # bytes of a tensor whose values are looked at
_MOST_VALUES = 64  # tensors of a file whose values are looked at
_DEEPEST_MESSAGE = 8
_IN_A_CHILD = ("weights.h5", "keras")  # HDF5 is read in a process of its own, at 0.3 s a file

Run = Callable[[Path, bytes], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A parser under test.

    ``run`` gets a scratch file's path and the input. ``seeds``, ``dictionary`` and ``beside`` are names of folders and
    of a file below this package; what is ``beside`` lies in the scratch folder too. ``mutator`` is one of mutators.py.
    """

    run: Run
    seeds: tuple[str, ...]
    file: str = "input"
    dictionary: str = ""
    mutator: str = ""
    beside: str = ""
    longest: int = 4096

    def holds(self, folder: Path, data: bytes) -> bool:
        """Whether the parser took the input; False if it refused. Any exception but CheckpointError is a finding."""
        try:
            self.run(folder / self.file, data)
        except CheckpointError as error:
            refused = str(error)
        else:
            return True
        assert refused.isprintable(), "a message that a terminal would act on"
        return False


def _by(read: Callable[[Path, Budget], Checkpoint]) -> Run:
    """Writes the input to the scratch file, reads it, and looks at the values of small tensors."""

    def run(path: Path, data: bytes) -> None:
        path.write_bytes(data)
        _look_at(read(path, _BUDGET).tensors.values())

    return run


def reader(name: str) -> Run:
    """The registered reader of that name, whatever the content looks like."""

    def run(path: Path, data: bytes) -> None:
        if not data:
            raise CheckpointError("an empty file, which no reader is given")
        (found,) = (form for form in registry.READERS if form.name == name)
        _by(found.read)(path, data)

    return run


def _look_at(tensors: Iterable[StoredTensor]) -> None:
    for tensor, _ in zip(tensors, range(_MOST_VALUES), strict=False):
        if tensor.spec.nbytes <= _LARGEST_VALUES:
            values = tensor.array()
            assert values.shape == tensor.spec.shape, "values of another shape than promised"
            assert len(values.tobytes()) == tensor.spec.nbytes, "values of another size than promised"


def _pickle(rules: Rules, leaf: Callable[[object], object]) -> Run:
    """A pickle by itself, in memory."""

    def run(_path: Path, data: bytes) -> None:
        flatten(interpret(BytesIO(data), len(data), rules, "input"), leaf, "input")

    return run


def _zip(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    zips.first_name(data)
    for member in zips.members(path).values():
        assert 0 <= member.offset <= member.offset + member.packed_size <= len(data), "a member outside the file"
        if member.stored:
            zips.content(path, member, most=2**16)


def _npy(_path: Path, data: bytes) -> None:
    member = zips.Member(name="x.npy", offset=0, size=len(data), packed_size=len(data), crc=0, stored=True)
    header = npz._parsed(BytesIO(data), member, "input")  # noqa: SLF001 - the header's parser, without an archive
    assert header.size <= len(data), "a header longer than its file"


def _protobuf(_path: Path, data: bytes) -> None:
    """Every field of the message, and of every message that its fields can be read as."""
    spans = [(Span.whole(memoryview(data), "input"), 0)]
    while spans:
        span, depth = spans.pop()
        for attempt in (span.text, lambda span=span: list(span.varints())):
            try:
                attempt()
            except CheckpointError:
                assert depth or len(data), "an empty message refused"
        try:
            parts = [value for _, value in span.fields() if isinstance(value, Span)]
        except CheckpointError:
            if depth == 0:
                raise
            continue
        assert all(span.start <= part.start <= part.end <= span.end for part in parts), "a field outside its message"
        if depth < _DEEPEST_MESSAGE:
            spans += [(part, depth + 1) for part in parts]


def _any(path: Path, data: bytes) -> None:
    glance = Glance(data[:4096], data[-64:], len(data))
    if not any(form.matches(glance) for form in registry.READERS if form.name in _IN_A_CHILD):
        _by(checkpoints.read)(path, data)


ZIPS = {"dictionary": "zip", "mutator": "zip"}
TARGETS = {
    "any": Target(run=_any, seeds=("*",), dictionary="pickle", mutator="zip"),
    "npy": Target(run=_npy, seeds=("npy",), dictionary="npy"),
    "npz": Target(run=reader("npz"), seeds=("npz",), **ZIPS),
    "paddle": Target(run=reader("paddle"), seeds=("paddle",), dictionary="pickle"),
    "paddle-pickle": Target(run=_pickle(params.RULES, params._array_of), seeds=("paddle",), dictionary="pickle"),  # noqa: SLF001
    "onnx": Target(run=reader("onnx"), seeds=("onnx",), file="input.onnx"),
    "paddle-program": Target(
        run=reader("paddle-inference"), seeds=("paddle-program",), file="input.json", beside="paddle-program"
    ),
    "paddle-proto": Target(
        run=reader("paddle-inference"), seeds=("paddle-proto",), file="input.pdmodel", beside="paddle-proto"
    ),
    "paddle-weights": Target(
        run=reader("paddle-inference"), seeds=("paddle-weights",), file="input.pdiparams", beside="paddle-weights"
    ),
    "protobuf": Target(run=_protobuf, seeds=("protobuf", "onnx")),
    "safetensors": Target(
        run=reader("safetensors"), seeds=("safetensors",), dictionary="safetensors", mutator="prefix"
    ),
    "sharded": Target(run=reader("sharded"), seeds=("sharded",), dictionary="safetensors", beside="sharded"),
    "tensorflow": Target(
        run=reader("tensorflow"), seeds=("tensorflow",), file="input.index", beside="tensorflow", mutator="bundle"
    ),
    "torch": Target(run=reader("torch"), seeds=("torch",), dictionary="pickle", mutator="zip"),
    "torch-legacy": Target(run=reader("torch (legacy)"), seeds=("torch-legacy",), dictionary="pickle"),
    "torch-pickle": Target(
        run=_pickle(torch_tensors.RULES, torch_tensors.as_tensor), seeds=("torch-pickle",), dictionary="pickle"
    ),
    "zip": Target(run=_zip, seeds=("torch", "npz"), **ZIPS),
}  # fmt: skip
