"""docs/judge.md: what became of the mutants, by kind and by place, and every survivor with its explanation."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence

from judge.mutant import CAUSES, Judged

HEADER = """# The judge

Written by `make judge`; do not edit. `make judge N=50 SEED=7` draws others.

A right port is spoilt at random, and `xframe diff` has to say so. Mutants of weights are the target's own file with one
tensor spoilt, or two exchanged. Mutants of networks are the target's factory replaced by one that builds the same
network and changes one layer, as that framework changes it. Every place, an architecture and an ordered pair, is first
held to be equivalent unspoilt. Images are the smallest that leave the last map more than one pixel.

**caught**: the verdict is "different". **outputs** and **layers** say which computed check saw it, **files alone** that
none did and only the two files' tensors differ. **located**: the first divergence is the layer that was spoilt; for
what lies between layers, the first in the source's order whose bits changed against the unspoilt target's, run in the
same framework. **named** and **confirmed**: a cause that is right for that kind, and applying it made the layer agree;
**wrong cause**: another one was confirmed, or one of a layer that was not spoilt. **equivalent**: nothing saw it, and
the outputs are identical to the bit on four seeds. **unproven**: nothing saw it, and the port says of that tensor that
the outputs cannot see it. **passed silently**: none of all that.
"""
COLUMNS: Sequence[tuple[str, Callable[[Judged], bool]]] = (
    ("caught", lambda found: found.caught),
    ("outputs", lambda found: found.by_outputs),
    ("layers", lambda found: found.by_layers),
    ("files alone", lambda found: found.files and not found.computed),
    ("located", lambda found: found.located),
    ("named", lambda found: found.named),
    ("confirmed", lambda found: found.confirmed),
    ("wrong cause", lambda found: found.misled),
    ("equivalent", lambda found: bool(found.equivalent)),
    ("unproven", lambda found: not found.computed and found.unproven),
    ("passed silently", lambda found: found.passed_silently),
    ("crashed", lambda found: bool(found.crash)),
)


def page(judged: Sequence[Judged], seed: int, seconds: float) -> str:
    """The whole document."""
    machine = platform.processor() or platform.machine()
    took = f"{seconds / 60:.0f} minutes on two cores ({machine}), with others at work there too"
    median = statistics.median(found.seconds for found in judged)
    cost = f"A mutant takes {median:.1f} s in the median, {max(found.seconds for found in judged):.0f} s at most."
    parts = [
        HEADER.rstrip(),
        f"{len(judged)} mutants, seed {seed}: {took}. {cost}",
        "## By kind",
        _table("kind", ((kind, [f for f in judged if f.mutant.kind == kind]) for kind in CAUSES), judged),
        "## By place",
        _table("place", _by_place(judged), judged),
        "## Survivors",
        "What no output and no layer gave away.",
        _list(judged, lambda found: not found.computed and not found.crash, _survived),
        "## Caught, but not located",
        _list(judged, lambda found: found.computed and not found.located, _elsewhere),
        "## Located, but no right cause confirmed",
        _list(judged, lambda found: found.located and not found.confirmed, _unexplained),
        "## Another cause confirmed",
        _list(judged, lambda found: found.misled, _unexplained),
        "## Crashes",
        _list(judged, lambda found: bool(found.crash), lambda found: found.crash),
    ]
    return "\n\n".join(parts) + "\n"


def _by_place(judged: Sequence[Judged]) -> Iterator[tuple[str, list[Judged]]]:
    for place in dict.fromkeys(str(found.mutant.place) for found in judged):
        yield place, [found for found in judged if str(found.mutant.place) == place]


def _table(head: str, rows: Iterable[tuple[str, Sequence[Judged]]], judged: Sequence[Judged]) -> str:
    names = [name for name, _ in COLUMNS]
    lines = [f"| {head} | mutants | {' | '.join(names)} |", f"|---|---:|{'---:|' * len(names)}"]
    for name, found in [*rows, ("**all**", judged)]:
        counts = [len(found), *(sum(map(counted, found)) for _, counted in COLUMNS)]
        lines.append(f"| {name} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def _list(judged: Sequence[Judged], wanted: Callable[[Judged], bool], said: Callable[[Judged], str]) -> str:
    lines = [f"- {found.mutant}. {said(found)}" for found in judged if wanted(found)]
    return "\n".join(lines) or "None."


def _survived(found: Judged) -> str:
    files = "The files' tensors differ. " if found.files else ""
    if found.equivalent:
        return f"{files}Equivalent: {found.equivalent}."
    moved = f"outputs move by {found.outputs:.1e}, the layer furthest apart by {found.layers:.1e} of its largest value"
    if found.unproven:
        return f"{files}Unproven, as the port says: {moved}."
    return f"{files}Below the tolerance of 1e-9: {moved}."


def _elsewhere(found: Judged) -> str:
    return f"First divergence at {found.found or 'no layer'}, expected at {found.expected}."


def _unexplained(found: Judged) -> str:
    return found.told or "No cause was found."
