"""Whose tensors are these? A file's names held against every column of every table."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial

from xframe.checkpoints.branches import crosses_a_branch, names_in, outer_branches
from xframe.checkpoints.model import Checkpoint
from xframe.checkpoints.prefixes import shared_prefixes, strip_flag
from xframe.checkpoints.refusals import shown
from xframe.mapping import Entry, skim, table_names

_MOST_BRANCHES = 8
Columns = list[tuple[str, str]]  # (model, implementation)


def identify(names: Collection[str]) -> Columns:
    """The (model, implementation) pairs whose tensor names these are, but for tensors that carry no weight.

    Empty where no known column has exactly these names.
    """
    return Catalogue().having(set(names))


def spoken(found: Columns) -> str:
    """For a message: ``lenet5_maxavg (paddle, torch)``; the empty string for nothing."""
    columns: dict[str, list[str]] = {}
    for model, implementation in found:
        columns.setdefault(model, []).append(implementation)
    return ", ".join(f"{model} ({', '.join(names)})" for model, names in columns.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose names a file's, or one of its branches', tensors have once ``prefix`` is stripped from them."""

    columns: Columns
    branch: str = ""
    prefix: str = ""

    @property
    def as_it_is(self) -> bool:
        """Whether the whole file has these names, as they stand."""
        return not self.branch and not self.prefix

    @property
    def flags(self) -> str:
        """The options that make a file's names these."""
        select = [f"--select {shlex.quote(shown(self.branch))}"] if self.branch else []
        return " ".join([*select, *([strip_flag(self.prefix)] if self.prefix else [])])

    def __str__(self) -> str:
        """``resnet18 (torch) with --select state_dict --strip-prefix 'module.'``"""
        return spoken(self.columns) + (f" with {self.flags}" if self.flags else "")


def owner_of(names: Collection[str]) -> Owner | None:
    """Whose names these are, as they are or behind a prefix that all share."""
    return _owner(Catalogue(), "", names, lambda _branch, _prefix: False)


def owners(checkpoint: Checkpoint) -> list[Owner]:
    """Every branch of a file that has a known model's names, or the file itself; wrapping prefixes are looked through.

    The outermost branches and those just below them are looked at, the first few.
    """
    known, crosses = Catalogue(), partial(crosses_a_branch, checkpoint)
    whole = _owner(known, "", checkpoint.tensors, crosses)
    if whole is not None:
        return [whole]
    outer = outer_branches(checkpoint)
    inner = [path for path in checkpoint.branches if path not in outer and path.rpartition(".")[0] in outer]
    branches = [*outer[:_MOST_BRANCHES], *inner[:_MOST_BRANCHES]]
    found = (_owner(known, branch, names_in(checkpoint, branch), crosses) for branch in branches)
    return [owner for owner in found if owner is not None]


def _owner(known: Catalogue, branch: str, names: Collection[str], crosses: Callable[[str, str], bool]) -> Owner | None:
    for prefix in ("", *shared_prefixes(names)):
        held = {name.removeprefix(prefix) for name in names}
        columns = known.having(held)
        if columns and not crosses(branch, prefix):
            return Owner(columns=columns, branch=branch, prefix=prefix)
    return None


class Catalogue:
    """The names in every column of every table. A table is read no further than until none of its columns fits."""

    def __init__(self) -> None:
        self._models = {model: _Skimmed(*skim(model)) for model in table_names()}

    def having(self, held: set[str]) -> Columns:
        """The columns that have exactly these names, but for tensors that carry no weight."""
        return [(model, column) for model, table in self._models.items() for column in table.having(held)]


class _Skimmed:
    """One table, as far as it has been read."""

    def __init__(self, columns: list[str], rest: Iterator[Entry]) -> None:
        self._columns = columns
        self._read: list[Entry] = []
        self._rest = rest

    def having(self, held: set[str]) -> list[str]:
        found: dict[str, set[str]] = {column: set() for column in self._columns}
        for entry in self._entries():
            for column in entry.names.keys() & found.keys():
                name = entry.names[column].name
                if name in held:
                    found[column].add(name)
                elif not entry.dispensable:
                    del found[column]
            if not found:
                break
        return [column for column, names in found.items() if names == held]

    def _entries(self) -> Iterator[Entry]:
        yield from self._read
        for entry in self._rest:
            self._read.append(entry)
            yield entry
