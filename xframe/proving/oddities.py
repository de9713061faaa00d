"""What is odd about the built models, told where a plan is refused, and noted where it is not."""

from __future__ import annotations

from collections.abc import Sequence

from xframe.errors import ModelError, PlanError, Problem
from xframe.proving.sides import Side
from xframe.tensors import Array


def oddities(sides: Sequence[Side], probe: Array) -> list[Problem]:
    """Of every side, unregistered layers and untrue lengths; ``kind`` says which, ``detail`` begins with the side.

    A framework that cannot be asked has none.
    """
    found = []
    for side in sides:
        for kind, layer, sentence in _asked(side, probe):
            detail, _, hint = sentence.rpartition("; ")
            found.append(
                Problem(kind=kind, tensor=layer, detail=f"in {side.implementation.name}, {detail}", suggestion=hint)
            )
    return found


def _asked(side: Side, probe: Array) -> list[tuple[str, str, str]]:
    try:
        return side.oddities(probe)
    except ModelError:
        return []


def explained(error: PlanError, sides: Sequence[Side], probe: Array) -> PlanError:
    """The refusal with what is odd about the models added to its problems."""
    more = oddities(sides, probe)
    return PlanError(error.summary, [*error.problems, *more]) if more else error


def notes(sides: Sequence[Side], probe: Array) -> tuple[str, ...]:
    """The same as sentences."""
    return tuple(map(str, oddities(sides, probe)))
