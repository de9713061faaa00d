"""Which tensors of a file are meant, and under which names: as the user says, and no further.

The one thing that is done unasked is to look into the only branch that holds tensors, as in ``{'state_dict': …,
'epoch': 3}``, where the names as they stand are not the expected ones; a note says so.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from xframe.checkpoints.branches import (
    MOST_TRIED,
    below,
    by_depth,
    chain_of,
    crosses_a_branch,
    has_branches,
    is_optimizer,
    names_in,
    told_branches,
)
from xframe.checkpoints.budget import AMPLE, Budget
from xframe.checkpoints.model import Checkpoint
from xframe.checkpoints.prefixes import prefix_too_many, strip_flag
from xframe.checkpoints.refusals import refusal, shown
from xframe.checkpoints.registry import read
from xframe.errors import CheckpointError, UsageError
from xframe.tensors import STORAGE

_MOST_NAMED = 8
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """``select`` is the dotted path of a branch, ``strip_prefix`` what every name then starts with.

    ``stored_as`` gives, by stored dtype, the dtype of the same width that its bits mean: files may have lost it.
    """

    select: str = ""
    strip_prefix: str = ""
    stored_as: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    def __post_init__(self) -> None:
        for stored, dtype in self.stored_as.items():
            _check_dtypes(stored, dtype)

    def __bool__(self) -> bool:
        return bool(self.select or self.strip_prefix or self.stored_as)


EVERYTHING = Selection()


def _check_dtypes(stored: str, dtype: str) -> None:
    for name in (stored, dtype):
        if name not in STORAGE:
            raise UsageError(f"Unknown dtype '{name}' in --stored-as. Known: {', '.join(STORAGE)}.")
    widths = STORAGE[stored].itemsize, STORAGE[dtype].itemsize
    if widths[0] != widths[1]:
        as_wide = ", ".join(name for name, kind in STORAGE.items() if kind.itemsize == widths[0] and name != stored)
        raise UsageError(
            f"--stored-as {stored}={dtype}: expected a dtype of {widths[0]} bytes, as {stored} is; {dtype} has "
            f"{widths[1]}. Try: {as_wide}. --dtype converts values."
        )


def opened(
    path: Path | str,
    selection: Selection = EVERYTHING,
    budget: Budget = AMPLE,
    expected: Collection[str] | None = None,
) -> Checkpoint:
    """The checkpoint at ``path``, its bits reinterpreted, a branch of it selected, a prefix stripped; notes on each.

    ``expected`` are the names that the caller has use for; with them a file without tensors, an optimizer's state and
    a file whose branch would have to be guessed are refused. Raises CheckpointError.
    """
    checkpoint = _reinterpreted(read(path, budget), selection.stored_as)
    wanted = frozenset(selection.strip_prefix + name for name in expected or ())
    if selection.select:
        checkpoint = _selected(checkpoint, selection.select)
    elif expected is not None:
        checkpoint = _unwrapped(checkpoint, wanted)
    if expected is not None:
        _check_weights(checkpoint, wanted)
        checkpoint = _noting_what_is_left_out(checkpoint)
    return _stripped(checkpoint, selection.strip_prefix) if selection.strip_prefix else checkpoint


def _reinterpreted(checkpoint: Checkpoint, stored_as: Mapping[str, str]) -> Checkpoint:
    specs = checkpoint.specs
    dtypes = {spec.name: stored_as[spec.dtype] for spec in specs if spec.dtype in stored_as}
    found = checkpoint.as_dtype(dtypes) if dtypes else checkpoint
    for stored, dtype in stored_as.items():
        asked, count = f"--stored-as {stored}={dtype}", sum(spec.dtype == stored for spec in specs)
        if not count:
            held = ", ".join(sorted({spec.dtype for spec in specs})) or "no tensors"
            raise refusal(
                checkpoint.path, expected=f"tensors stored as {stored}", found=held, attempt=f"it without {asked}"
            )
        found = found.noting(f"{_counted(count)} stored as {stored} read as {dtype}, as --stored-as says")
    return found


def _selected(checkpoint: Checkpoint, key: str) -> Checkpoint:
    if key not in checkpoint.branches:
        raise _no_branch(checkpoint, key)
    if len(names_in(checkpoint, key)) != checkpoint.branches[key]:
        raise refusal(
            checkpoint.path,
            expected=f"names below {shown(key)!r} that only a branch of that name gives",
            found="names with a dot beside it that start so too",
            attempt="save that branch alone",
        )
    return below(checkpoint, key, f"took {shown(key)!r}, as --select says")


def _no_branch(checkpoint: Checkpoint, key: str) -> CheckpointError:
    found, attempt = ", ".join(told_branches(checkpoint)), "--select with one of these"
    if not found:
        found, attempt = "no branches: its tensors lie side by side", "it without --select"
        if all(name.startswith(f"{key}.") for name in checkpoint.tensors):
            attempt = strip_flag(f"{key}.")
    return refusal(checkpoint.path, expected=f"a branch {shown(key)!r}", found=found, attempt=attempt)


def _unwrapped(checkpoint: Checkpoint, expected: frozenset[str]) -> Checkpoint:
    """The only branch that holds tensors, taken where no name as it stands is an expected one."""
    if not checkpoint.branches or not expected.isdisjoint(checkpoint.tensors) or is_optimizer(checkpoint):
        return checkpoint
    chain = chain_of(checkpoint)
    fitting = [branch for branch in chain if not expected.isdisjoint(names_in(checkpoint, branch))]
    if not fitting and (not chain or has_branches(checkpoint, chain[-1])):
        raise _several(checkpoint, expected)
    taken = (fitting or chain[-1:])[0]
    return below(checkpoint, taken, f"took {shown(taken)!r}, the only state dict in the file")


def _several(checkpoint: Checkpoint, expected: frozenset[str]) -> CheckpointError:
    """Several branches, or tensors beside one: which is meant is for the user to say."""
    tried = by_depth(checkpoint.branches)[:MOST_TRIED]
    flags = [found for branch in tried if (found := _flags(checkpoint, branch, expected))]
    return refusal(
        checkpoint.path,
        expected=_such_as(expected),
        found=f"no such name, but branches: {', '.join(told_branches(checkpoint))}",
        attempt=" or ".join(flags[:_MOST_NAMED]) or "--select with one of these, or xframe inspect",
    )


def _flags(checkpoint: Checkpoint, branch: str, expected: frozenset[str]) -> str:
    """The options that make most of the expected names of a branch's; '' where none do."""
    names = names_in(checkpoint, branch)
    select = f"--select {shlex.quote(shown(branch))}"
    if 2 * len(expected.intersection(names)) > len(expected):
        return select
    prefix = prefix_too_many(names, expected)
    return f"{select} {strip_flag(prefix)}" if prefix and not crosses_a_branch(checkpoint, branch, prefix) else ""


def _check_weights(checkpoint: Checkpoint, expected: frozenset[str]) -> None:
    if not checkpoint.tensors:
        besides = ", ".join(dict.fromkeys(name.partition(".")[0] for name in checkpoint.metadata))
        raise refusal(
            checkpoint.path,
            expected=_such_as(expected),
            found="no tensor at all" + (f", only {besides}" if besides else ""),
            attempt="save the model's state_dict()",
        )
    if expected.isdisjoint(checkpoint.tensors) and is_optimizer(checkpoint):
        raise refusal(
            checkpoint.path,
            expected=_such_as(expected),
            found=f"what looks like an optimizer's state, such as {shown(next(iter(checkpoint.tensors)))}",
            attempt="the file of the model's weights: .pdparams beside .pdopt, or the model's state_dict()",
        )


def _noting_what_is_left_out(checkpoint: Checkpoint) -> Checkpoint:
    """A short note: what lies at the top of the file, with the number of values below it; ``inspect`` lists all."""
    tops = Counter(name.partition(".")[0] for name in checkpoint.metadata)
    words = [top if count == 1 else f"{top} ({count} values)" for top, count in list(tops.items())[:_MOST_NAMED]]
    more = f" and {len(tops) - _MOST_NAMED} more" if len(tops) > _MOST_NAMED else ""
    return checkpoint.noting(f"left out, not tensors: {', '.join(words)}{more}") if tops else checkpoint


def _stripped(checkpoint: Checkpoint, prefix: str) -> Checkpoint:
    """Every name without ``prefix``. Names that all had it stay different from each other."""
    lacking = [name for name in checkpoint.tensors if not name.startswith(prefix) or name == prefix]
    if lacking:
        example = ", ".join(shown(name) for name in lacking[:3]) + (", …" if len(lacking) > 3 else "")
        inside = " or --select first" if checkpoint.branches else ""
        raise refusal(
            checkpoint.path,
            expected=f"every name to start with {shown(prefix)!r} and go on, as --strip-prefix says",
            found=f"{len(lacking)} of {_counted(len(checkpoint.tensors))} that {_does_not(len(lacking))}: {example}",
            attempt=f"it without --strip-prefix{inside}",
        )
    tensors = {
        name.removeprefix(prefix): tensor.renamed(name.removeprefix(prefix))
        for name, tensor in checkpoint.tensors.items()
    }
    note = f"stripped {shown(prefix)!r} from {_counted(len(tensors))}, as --strip-prefix says"
    return replace(checkpoint, tensors=tensors, branches={}).noting(note)


def _does_not(count: int) -> str:
    return "does not" if count == 1 else "do not"


def _such_as(expected: frozenset[str]) -> str:
    return f"weights such as {shown(min(expected))}" if expected else "weights"


def _counted(count: int) -> str:
    return f"{count} tensor" if count == 1 else f"{count} tensors"
