"""Tensors of the target that the source keeps in several pieces."""

from __future__ import annotations

from collections.abc import Sequence

from xframe.errors import Problem
from xframe.planning.plan import Join, Move


def join(pieces: Sequence[Move]) -> tuple[Join, list[Problem]]:
    """The pieces as one step, in the order of the target's blocks, and what keeps them from fitting together.

    Every piece has been made for the target's whole shape, as far as its own source says; they must agree on it, and on
    the dtype.
    """
    ordered = tuple(sorted(pieces, key=_place))
    first = ordered[0].target
    problems = [problem for piece in ordered[1:] for problem in _disagreements(piece, ordered[0])]
    return Join(target=first, pieces=ordered), problems


def _place(piece: Move) -> list[int]:
    way = piece.rearrangement
    return [way.target.blocks[axis].index(way.put[axis]) for axis in way.target.axes if axis in way.put]


def _disagreements(piece: Move, first: Move) -> list[Problem]:
    found = []
    ours, theirs = piece.target, first.target
    block = " ".join(piece.rearrangement.put.values())
    if ours.shape != theirs.shape:
        detail = (
            f"as the block '{block}' of '{ours.name}' it needs the shape {list(ours.shape)} there, but "
            f"'{first.source.name}' needs {list(theirs.shape)}"
        )
        found.append(Problem(kind="shape", tensor=piece.source.name, detail=detail))
    if ours.dtype != theirs.dtype:
        detail = f"it is {ours.dtype} and '{first.source.name}' {theirs.dtype}, but both are blocks of '{ours.name}'"
        found.append(Problem(kind="dtype", tensor=piece.source.name, detail=detail, suggestion="--dtype converts all"))
    return found
