"""A first guess at who is whose counterpart: by kind and lengths, then by the order of execution, or by names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from xframe.inferring.pairing import Hints, Pairing, alike, pairings
from xframe.inferring.parts import Part
from xframe.inferring.readings import is_sure
from xframe.inferring.solving import is_open, solve
from xframe.mapping import Implementation

_SHAPE, _NAME = 0.5, 0.5  # what the same shape of outputs adds to a pair that fits, and the same name
Pairs = dict[str, Pairing]  # by the source part's cell


@dataclass(slots=True)
class Candidates:
    """Who could be whose counterpart, looked up once for all parts with the same tensors."""

    ends: tuple[Implementation, Implementation]
    hints: Hints
    _sizes: dict[object, list[tuple[str, dict[str, int], bool]]] = field(default_factory=dict)
    _agree: dict[object, bool] = field(default_factory=dict)
    _found: dict[tuple[str, str], tuple[Pairing, ...]] = field(default_factory=dict)

    def of(self, source: Part, target: Part) -> tuple[Pairing, ...]:
        """Every way in which the two could be one layer."""
        key = source.cell, target.cell
        if key not in self._found:
            fit = self.agree(source, target)
            self._found[key] = pairings(source, target, self.ends, self.hints) if fit else ()
        return self._found[key]

    def agree(self, source: Part, target: Part) -> bool:
        """Whether some kind and the lengths that follow from both parts' shapes agree."""
        key = source.signature, target.signature
        if key not in self._agree:
            self._agree[key] = self._kinds_agree(source, target)
        return self._agree[key]

    def _kinds_agree(self, source: Part, target: Part) -> bool:
        if not source.readings or not target.readings:
            return bool(pairings(source, target, self.ends, self.hints))
        there = self._read(target)
        likely = [
            closed and other_closed
            for kind, sizes, closed in self._read(source)
            for other, lengths, other_closed in there
            if kind == other and all(sizes.get(axis, length) == length for axis, length in lengths.items())
        ]
        if not any(likely) and likely:  # a length is open, and hints may close it
            likely = [bool(pairings(source, target, self.ends, self.hints))]
        return any(likely) or self._raw(source, target)

    def _raw(self, source: Part, target: Part) -> bool:
        """Whether the two are layers of classes of their own whose tensors pair by shape."""
        own = not is_sure(source.class_) and not is_sure(target.class_)
        alike = sorted(map(sorted, source.shapes.values())) == sorted(map(sorted, target.shapes.values()))
        return own and alike and bool(pairings(source, target, self.ends, self.hints))

    def _read(self, part: Part) -> list[tuple[str, dict[str, int], bool]]:
        """The kinds that a part reads as, the lengths that follow, and whether those are all."""
        if part.signature not in self._sizes:
            read = ((reading.kind.name, reading.held(part.shapes)) for reading in part.readings)
            solved = ((kind, held, solve(held)) for kind, held in read)
            self._sizes[part.signature] = [
                (kind, sizes, not is_open(held, sizes)) for kind, held, sizes in solved if sizes is not None
            ]
        return self._sizes[part.signature]

    def score(self, source: Part, target: Part) -> float:
        """How likely the two are counterparts; 0 where they cannot be."""
        if not self.agree(source, target):
            return 0.0
        return 1.0 + _SHAPE * (source.gave == target.gave) + _NAME * alike(source.cell, target.cell)


def by_order(sources: Sequence[Part], targets: Sequence[Part], candidates: Candidates) -> Pairs:
    """The best pairs that both sides run in the same order; what then is left goes by names."""
    rows, columns = len(sources), len(targets)
    scores = [[candidates.score(one, other) for other in targets] for one in sources]
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for row in reversed(range(rows)):
        here, below = best[row], best[row + 1]
        for column in reversed(range(columns)):
            score = scores[row][column]
            paired = below[column + 1] + score if score else 0.0
            here[column] = max(paired, below[column], here[column + 1])
    found: list[tuple[Part, Part]] = []
    row = column = 0
    while row < rows and column < columns:
        score = scores[row][column]
        if score and best[row][column] == best[row + 1][column + 1] + score:
            found.append((sources[row], targets[column]))
            row, column = row + 1, column + 1
        elif best[row][column] == best[row + 1][column]:
            row += 1
        else:
            column += 1
    return _completed(found, sources, targets, candidates)


def by_name(sources: Sequence[Part], targets: Sequence[Part], candidates: Candidates) -> Pairs:
    """The pairs that fit with the most alike names first."""
    return _completed([], sources, targets, candidates)


def _completed(
    found: Iterable[tuple[Part, Part]], sources: Sequence[Part], targets: Sequence[Part], candidates: Candidates
) -> Pairs:
    """These pairs, and of what is left the likeliest ones, one after the other."""
    pairs = {one.cell: other for one, other in found}
    taken = {other.cell for other in pairs.values()}
    left = [part for part in sources if part.cell not in pairs]
    free = [part for part in targets if part.cell not in taken]
    scored = [
        (score, -abs(row - column), row, column)
        for row, one in enumerate(left)
        for column, other in enumerate(free)
        if (score := candidates.score(one, other))
    ]
    for _, _, row, column in sorted(scored, reverse=True):
        if left[row].cell not in pairs and free[column].cell not in taken:
            pairs[left[row].cell] = free[column]
            taken.add(free[column].cell)
    return _first_ways(pairs, {part.cell: part for part in sources}, candidates)


def _first_ways(pairs: Mapping[str, Part], sources: Mapping[str, Part], candidates: Candidates) -> Pairs:
    ways = {cell: candidates.of(sources[cell], target) for cell, target in pairs.items()}
    return {cell: found[0] for cell, found in ways.items() if found}
