"""Names that do not match, each with the nearest one that would."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field

from xframe.errors import Problem
from xframe.tensors import FLOATS, STORAGE, TensorSpec

_FEW = 3
_MOST_COMPARED = 20_000  # pairs of names, a second or so: then the other problems come without a suggestion


@dataclass(slots=True)
class Unmatched:
    """What a plan could not pair.

    ``missing``: target tensors, each with the source name that the table expects for it or for a block of it, None
    where no row speaks of it.
    ``unused``: source tensor → the target name that the table gives it, None where no row speaks of it.
    ``unknown``: names in the table's target column that the built target does not have.
    ``blocks``: of target tensors that are a block of a source tensor, or made of blocks: of how many is either.
    """

    missing: dict[tuple[str, str | None], None] = field(default_factory=dict)
    unused: dict[str, str | None] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    blocks: dict[str, tuple[int, int]] = field(default_factory=dict)
    compared: int = 0

    def miss(self, name: str, expected: str | None) -> None:
        """``name`` of the target stays unset for want of ``expected``; nothing is added to one that has a reason."""
        if expected is not None or not self.misses(name):
            self.missing[name, expected] = None

    def misses(self, name: str) -> bool:
        return any(name == other for other, _ in self.missing)

    def problems(self, held: Mapping[str, TensorSpec], wanted: Mapping[str, TensorSpec]) -> Iterator[Problem]:
        """One Problem a name: first what stays unset, then what stays unused."""
        for name, expected in sorted(self.missing, key=lambda pair: (pair[0], pair[1] or "")):
            detail = f"no source tensor '{expected}'" if expected else "missing: no row of the table sets it"
            yield Problem(
                kind="missing", tensor=name, detail=detail, suggestion=self._source_for(name, expected, held, wanted)
            )
        for name in sorted(set(self.unknown)):
            yield Problem(kind="unknown", tensor=name, detail="the table names it, the built target has no such tensor")
        for name, given in sorted(self.unused.items()):
            detail = f"unused: the target has no '{given}'" if given else "unused: no row of the table takes it"
            yield Problem(
                kind="unused", tensor=name, detail=detail, suggestion=self._target_for(name, given, held, wanted)
            )

    def _source_for(
        self, name: str, expected: str | None, held: Mapping[str, TensorSpec], wanted: Mapping[str, TensorSpec]
    ) -> str:
        """The unused source tensor of equal size that was most likely meant for ``name``."""
        if not self._may_compare(self.unused):
            return ""
        fitting = [other for other in self.unused if self._fits(held.get(other), wanted.get(name))]
        if expected:
            return _did_you_mean(nearest(expected, fitting))
        by_given = {self.unused[other] or other: other for other in fitting}
        return _did_you_mean(by_given.get(nearest(name, list(by_given))))

    def _target_for(
        self, name: str, given: str | None, held: Mapping[str, TensorSpec], wanted: Mapping[str, TensorSpec]
    ) -> str:
        """The unset target tensor of equal size that was most likely meant by ``given``."""
        if not self._may_compare(self.missing):
            return ""
        fitting = [pair for pair in self.missing if self._fits(held.get(name), wanted.get(pair[0]))]
        if given:
            return _did_you_mean(nearest(given, [other for other, _ in fitting]))
        by_expected = {expected or other: other for other, expected in fitting}
        return _did_you_mean(by_expected.get(nearest(name, list(by_expected))))

    def _may_compare(self, names: Sized) -> bool:
        """Whether a name may still be held against so many others: a stranger's file may have any number."""
        self.compared += len(names)
        return self.compared <= _MOST_COMPARED

    def _fits(self, source: TensorSpec | None, target: TensorSpec | None) -> bool:
        """Whether the one is as large as the other, block for block."""
        if source is None or target is None:
            return True
        here, there = self.blocks.get(target.name, (1, 1))
        return source.numel * there == target.numel * here


def nearest(name: str, candidates: list[str]) -> str:
    """The candidate most like ``name``; the empty string where none is like it at all."""
    return next(iter(difflib.get_close_matches(name, candidates, n=1, cutoff=0.4)), "")


def _did_you_mean(name: str | None) -> str:
    return f"did you mean '{name}'?" if name else ""


def dtype_hint(given: str, declared: str) -> str:
    """What to say to a tensor of dtype ``given`` where the built target declares another."""
    if given in FLOATS:
        return f"--dtype {declared} converts it, --dtype {given} keeps it"
    if declared in FLOATS and STORAGE[given].itemsize == STORAGE[declared].itemsize:
        return f"--stored-as {given}={declared} if that is what its bits mean"
    if declared in FLOATS and STORAGE[given].kind in "iu" and STORAGE[given].itemsize < STORAGE["int32"].itemsize:
        return f"--stored-as {given}=DTYPE if its bits mean a floating-point dtype as wide"
    return ""


def common_dtype(problems: Sequence[Problem]) -> str:
    """One sentence for a whole file of another dtype; '' where the problems are few, or not all of that one kind."""
    kinds = Counter((problem.kind, problem.detail, problem.suggestion) for problem in problems)
    (kind, detail, suggestion), count = next(iter(kinds.items()))
    if len(kinds) > 1 or kind != "dtype" or count <= _FEW:
        return ""
    attempt = f" Try: {suggestion}." if suggestion else ""
    return f"{count} tensors such as '{problems[0].tensor}' are of another dtype: {detail}.{attempt}"
