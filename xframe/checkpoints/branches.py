"""The branches of a nested file, ``{'model': {…}, 'ema': {…}}``: which there are, what lies in them.

They are those that the file has, never read out of the dots in its names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from xframe.checkpoints.model import Checkpoint
from xframe.checkpoints.prefixes import is_optimizer_state
from xframe.checkpoints.refusals import shown

MOST_TRIED = 64  # each takes a look at every name
_MOST_TOLD = 8


def names_in(checkpoint: Checkpoint, branch: str) -> list[str]:
    """The names below ``branch``, from there on."""
    start = f"{branch}."
    return [name.removeprefix(start) for name in checkpoint.tensors if name.startswith(start)]


def below(checkpoint: Checkpoint, branch: str, note: str) -> Checkpoint:
    """The tensors of ``branch`` alone, by their names from there on, with ``note`` on why."""
    start = f"{branch}."
    tensors = {
        name.removeprefix(start): tensor.renamed(name.removeprefix(start))
        for name, tensor in checkpoint.tensors.items()
        if name.startswith(start)
    }
    branches = {
        path.removeprefix(start): count for path, count in checkpoint.branches.items() if path.startswith(start)
    }
    return replace(checkpoint, tensors=tensors, branches=branches).noting(note)


def outer_branches(checkpoint: Checkpoint) -> list[str]:
    """The branches that lie in no other one."""
    return [branch for branch in by_depth(checkpoint.branches) if not _around(branch, checkpoint.branches)]


def chain_of(checkpoint: Checkpoint) -> list[str]:
    """From the outside in, the branches that hold every tensor of the file."""
    whole = len(checkpoint.tensors)
    return [
        branch
        for branch in by_depth(checkpoint.branches)
        if checkpoint.branches[branch] == whole == len(names_in(checkpoint, branch))
    ]


def has_branches(checkpoint: Checkpoint, branch: str) -> bool:
    """Whether ``branch`` has branches of its own."""
    return any(path.startswith(f"{branch}.") for path in checkpoint.branches)


def told_branches(checkpoint: Checkpoint) -> list[str]:
    """For a message: the branches, each with its number of tensors, fewest dots first; none inside an optimizer's."""
    told: list[str] = []
    optimizers: set[str] = set()
    untold = 0
    for index, branch in enumerate(by_depth(checkpoint.branches)):
        if not optimizers.isdisjoint(_around(branch, checkpoint.branches)):
            continue
        if index < MOST_TRIED and _is_optimizer_branch(checkpoint, branch):
            optimizers.add(branch)
        if len(told) < _MOST_TOLD:
            told.append(_told(checkpoint.branches[branch], branch, optimizers))
        else:
            untold += 1
    return [*told, f"{untold} more"] if untold else told


def _told(count: int, branch: str, optimizers: set[str]) -> str:
    kind = ", an optimizer's state" if branch in optimizers else ""
    return f"{shown(branch)} ({count} tensor{'' if count == 1 else 's'}{kind})"


def crosses_a_branch(checkpoint: Checkpoint, branch: str, prefix: str) -> bool:
    """Whether ``prefix``, taken from the names below ``branch``, takes the name of a branch further in with it."""
    return bool(
        _around(f"{branch}.{prefix}".lstrip("."), checkpoint.branches) - _around(f"{branch}.", checkpoint.branches)
    )


def is_optimizer(checkpoint: Checkpoint) -> bool:
    """Whether all that the file holds is an optimizer's state: a model's branch beside a larger one of that is not."""
    outer = outer_branches(checkpoint)[:MOST_TRIED]
    return is_optimizer_state(checkpoint.tensors) and all(_is_optimizer_branch(checkpoint, branch) for branch in outer)


def _is_optimizer_branch(checkpoint: Checkpoint, branch: str) -> bool:
    return is_optimizer_state([f"{branch}.{name}" for name in names_in(checkpoint, branch)])


def by_depth(branches: Iterable[str]) -> list[str]:
    """Those of fewest dots first, else in the given order."""
    return sorted(branches, key=lambda branch: branch.count("."))


def _around(path: str, branches: Mapping[str, int]) -> set[str]:
    """The branches that ``path`` lies in."""
    parts = path.split(".")
    return {outer for end in range(1, len(parts)) if (outer := ".".join(parts[:end])) in branches}
