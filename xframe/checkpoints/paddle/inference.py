"""Paddle's inference models: weights in NAME.pdiparams, their names in NAME.json or NAME.pdmodel beside it.

``paddle.jit.save`` and ``paddle.static.save_inference_model`` write records without names, in ascending order of the
parameters' names (``sorted`` in paddle/static/io.py and pir_io.py); only the program has these. Every record must be of
the dtype and shape that the program says. Under FLAGS_enable_pir_api=0 ``jit.save`` writes NAME.pdiparams.info too, a
pickle with the state dict's own names; PIR writes no such file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import Checkpoint, Glance, StoredTensor
from xframe.checkpoints.paddle import program
from xframe.checkpoints.paddle.program import Variables
from xframe.checkpoints.paddle.records import Record, Records, looks_like_records
from xframe.checkpoints.pickles.symbolic import Rules, interpret
from xframe.checkpoints.refusals import refusal, shown
from xframe.errors import CheckpointError
from xframe.tensors import Extent, TensorSpec

_WEIGHTS, _INFO = ".pdiparams", ".pdiparams.info"
_PROGRAMS = (".json", ".pdmodel")
_HEAD = 4096
# .pdiparams.info holds dicts, text and bools: it needs no call at all.
_RULES = Rules(names=frozenset(), calls=MappingProxyType({}), builds=MappingProxyType({}), foreign=MappingProxyType({}))


class PaddleInference:
    """The format of ``paddle.jit.save`` and ``paddle.static.save_inference_model``: any of its files leads to all."""

    name = "paddle-inference"
    extensions: tuple[str, ...] = (_WEIGHTS, ".pdmodel")

    def matches(self, glance: Glance) -> bool:
        """Weights: a first record. A program: a first block without a parent, or JSON that starts with PIR's magic."""
        head = glance.head
        return looks_like_records(head) or program.is_program_desc(head) or program.is_pir(head)

    def read(self, path: Path, budget: Budget) -> Checkpoint:
        """Names, shapes and places of all parameters. ``path`` may be the weights or the program.

        Of two programs beside the weights neither is taken unless they agree: one of them is of another export. Asked
        for by the path of a program, it is the program.
        """
        weights, programs, info = _family(path)
        with path.open("rb") as file:
            is_weights = looks_like_records(file.read(_HEAD))
        weights = path if is_weights else weights
        with _at_rest((weights, *programs, info)):
            _check_weights(path, weights)
            variables = _variables(weights, programs, budget) if is_weights else program.variables(path, budget)
            records = _records(weights, variables)
            names, notes = _names(info, variables, budget)
        tensors = {names[name]: _stored(weights, names[name], record) for name, record in records.items()}
        if any(record.levels for record in records.values()):
            notes = (*notes, "left out: the tensors' levels of detail (LoD)")
        return Checkpoint(path=path, format=self.name, tensors=tensors, notes=notes)


def _family(path: Path) -> tuple[Path, list[Path], Path]:
    """The weights, the programs and the table of names that belong to ``path``, which is one of the first two."""
    stem = path.name.removesuffix(path.suffix if path.suffix in {_WEIGHTS, *_PROGRAMS} else "")
    programs = [path.with_name(stem + suffix) for suffix in _PROGRAMS]
    return path.with_name(stem + _WEIGHTS), programs, path.with_name(stem + _INFO)


@contextmanager
def _at_rest(paths: Sequence[Path]) -> Iterator[None]:
    """Refuses files that change while they are read together."""
    before = [_moment(path) for path in paths]
    yield
    for path, moment in zip(paths, before, strict=True):
        if _moment(path) != moment:
            raise refusal(
                path, expected="a file at rest", found="one that changes as it is read", attempt="again later"
            )


def _moment(path: Path) -> tuple[int, int, int] | None:
    if not path.is_file():
        return None
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _variables(weights: Path, programs: Sequence[Path], budget: Budget) -> Variables:
    """What the programs beside the weights say of them: all the same."""
    found = {path: program.variables(path, budget) for path in programs if _is_program(path)}
    if not found:
        raise _nameless(weights, programs)
    (first, said), *others = found.items()
    for path, differing in others:
        if differing != said:
            names = f"{first.name} and {path.name} differ"
            attempt = "move away the one of another export, or give the path of the right one"
            raise refusal(weights, expected="one program beside it", found=f"two that differ: {names}", attempt=attempt)
    return said


def _is_program(path: Path) -> bool:
    """Whether there is such a file; one named .json may well be something else, such as a configuration."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return path.suffix != ".json" or program.is_pir(file.read(_HEAD))


def _nameless(weights: Path, programs: Sequence[Path]) -> CheckpointError:
    with weights.open("rb") as file:
        records = Records(file, weights)
        records.next()
        if records.at_end and not weights.name.endswith(_WEIGHTS):
            return refusal(
                weights,
                expected="tensors and their names",
                found="one tensor without a name, as paddle.save(…, use_binary_format=True) writes",
                attempt="paddle.save a dict with its name, without use_binary_format",
            )
    named = " nor ".join(path.name for path in programs)
    attempt = "copy that file, which was saved with it, beside it"
    return refusal(weights, expected="its program, which has the tensors' names", found=f"no {named}", attempt=attempt)


def _check_weights(path: Path, weights: Path) -> None:
    if weights.is_file():
        return
    attempt = f"copy {weights.name}, which was saved with it, beside it"
    for extension in (".pdopt", ".pdparams"):  # paddle.static.save writes these beside the program
        pickled = weights.with_suffix(extension)
        if pickled.is_file():
            attempt = f"the path of {pickled.name}"
    raise refusal(path, expected="its weights beside it", found=f"no {weights.name}", attempt=attempt)


def _records(path: Path, variables: Variables) -> dict[str, Record]:
    """One record for each parameter, of its dtype and shape, and nothing after the last."""
    found = {}
    with path.open("rb") as file:
        records = Records(file, path)
        for index, (name, said) in enumerate(variables.items()):
            if records.at_end:
                raise refusal(path, expected=f"{len(variables)} tensors, as its program says", found=f"{index}")
            record = found[name] = records.next()
            if record.described != said:
                place = f"{path}: tensor {index}, {shown(name)}"
                attempt = "the program that was saved with it"
                raise refusal(
                    place, expected=f"{said}, as its program says", found=f"{record.described}", attempt=attempt
                )
        if not records.at_end:
            left = f"{records.size - records.position} bytes more"
            raise refusal(path, expected=f"{len(variables)} tensors, as its program says", found=left)
    return found


def _names(info: Path, variables: Variables, budget: Budget) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """The name for each parameter: the state dict's where the table beside the weights has all of them."""
    own = {name: name for name in variables}
    if not info.is_file():
        return own, ("named as in the program: no file here has the state dict's names",)
    table = _table(info, budget)
    named = {name: table[name] for name in variables if name in table}
    if len(named) < len(own):
        return own, (f"named as in the program: {info.name} names only {len(named)} of {len(own)} tensors",)
    if len(set(named.values())) < len(own):
        raise refusal(info, expected="another name for each tensor", found="one name twice")
    return named, (f"named as in the state dict, by {info.name}",)


def _table(info: Path, budget: Budget) -> dict[str, str]:
    """The state dict's name by the program's. ``paddle.load`` reads them there too, with pickle."""
    size = info.stat().st_size
    budget.check(info, size)
    with info.open("rb") as file:
        tree = interpret(file, size, _RULES, str(info))
    table = {}
    for name, facts in tree.items() if isinstance(tree, dict) else ():
        match facts:
            case {"structured_name": str(structured)} if isinstance(name, str):
                table[name] = structured
            case dict():
                pass
            case _:
                raise refusal(info, expected="a dict for each parameter", found=f"a {type(facts).__name__}")
    return table


def _stored(path: Path, name: str, record: Record) -> StoredTensor:
    said = record.described
    extent = Extent.dense(path, record.offset, said.shape, said.dtype)
    return StoredTensor(spec=TensorSpec(name, said.shape, said.dtype), extent=extent)
