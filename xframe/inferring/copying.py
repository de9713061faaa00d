"""A layer that is called several times, written on the other side as a layer of its own for each call: copies of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from xframe.inferring.alignment import Candidates
from xframe.inferring.parts import Part
from xframe.inferring.result import Finding
from xframe.mapping.table import AND


def gathered(parts: Sequence[Part], others: Sequence[Part], candidates: Candidates, *, turned: bool) -> list[Part]:
    """``parts``, in which copies of what the other side has once are one part, whose cell has all their names.

    Calls go by the order in which they run: a guess, which is tried out as any pair is. ``turned`` says that ``parts``
    are the target's.
    """

    def fit(one: Part, other: Part) -> bool:
        return candidates.agree(other, one) if turned else candidates.agree(one, other)

    found, done = list(parts), set[str]()
    for shared in others:
        if not shared.seen or len(shared.calls) < 2 or shared.cell in done:
            continue
        copies = [part for part in found if part.seen and not part.members and fit(part, shared)]
        alike = [other for other in others if other.seen and not other.members and copies and fit(copies[0], other)]
        done.update(other.cell for other in alike)
        calls = sorted((call, other.cell) for other in alike for call in other.calls)
        if len(copies) > len(alike) and len(copies) == len(calls) and all(len(part.calls) == 1 for part in copies):
            owned = defaultdict[str, list[Part]](list)
            for (_, owner), part in zip(calls, copies, strict=True):
                owned[owner].append(part)
            for group in owned.values():
                found[found.index(group[0])] = _one(group)
                found = [part for part in found if part not in group[1:]]
    return found


def _one(copies: Sequence[Part]) -> Part:
    """Copies as one part. Its tensors are the first's; those of the others are further names."""
    first, *others = copies
    if not others:
        return first
    return replace(
        first,
        cell=AND.join(part.cell for part in copies),
        calls=tuple(call for part in copies for call in part.calls),
        again=(*first.again, *(spec for part in others for spec in part.specs)),
        copies=tuple(copies),
    )


def copied(findings: Sequence[Finding], columns: tuple[str, str]) -> Iterator[str]:
    """A sentence where layers of one column are copies in the other, which holds for these weights and no others."""
    for here, there, parts in (
        (columns[0], columns[1], [finding.pairing.target for finding in findings]),
        (columns[1], columns[0], [finding.pairing.source for finding in findings]),
    ):
        if cells := [part.cell for part in parts if part.copies]:
            yield (
                f"{there} has copies of what {here} has once, such as {cells[0]}: a port from there wants the same "
                f"bits in all of them, and a gradient of the one is the sum of theirs"
            )
