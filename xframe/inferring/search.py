"""Who is whose counterpart, settled by numbers: a pair stands when both layers give the same in a forward pass.

The source runs once, with weights of which every tensor differs from every other. Then the target runs with its pairs'
weights: the first layer of the source whose counterpart gives something else has another counterpart, or one that reads
the same input is mistaken for its twin. All candidates are loaded with the layer's weights at once; those that give
what it gave are right. Where nothing fits, the two are called apart, and the target goes on with what the source gave.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from xframe import exchange
from xframe.inferring.alignment import Candidates, Pairs
from xframe.inferring.bench import Bench, Gave, gave
from xframe.inferring.pairing import Pairing
from xframe.inferring.parts import Part
from xframe.proving.layer_diff import relaid
from xframe.proving.passes import Calls, Outputs
from xframe.stopwatch import Progress, silent

_MOST_TWINS = 24  # orders of twins that are tried
_MOST_UNSEEN = 200  # ways to pair what cannot be watched


@dataclass(slots=True)
class Search:
    """A search under way. ``settled`` says, by the source's cell, how a pair agrees; ``apart`` those that do not."""

    bench: Bench
    candidates: Candidates
    sources: Sequence[Part]  # in the order in which they run; those that do not run are last
    targets: Sequence[Part]
    pairs: Pairs
    progress: Progress = silent
    settled: dict[str, str] = field(default_factory=dict)
    apart: set[str] = field(default_factory=set)
    twins: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ran: Outputs | None = None

    def carry_out(self) -> None:
        """Until every layer that runs agrees with its counterpart, or is set apart."""
        while (found := self.first_failing()) is not None:
            self.progress(f"{len(self.settled)} of {len(self._running)} layers settled")
            if not self._another(found) and not self._turned(found) and not self._among_unseen(found):
                self.apart.add(found.cell)
        assert self.ran is not None
        if not self.apart and not self.bench.outputs_agree(self.ran):
            self._among_unseen(None)
        self._test_twins()

    @property
    def _order(self) -> list[str]:
        return [part.cell for part in self._running]

    @property
    def _running(self) -> list[Part]:
        return [part for part in self.sources if part.seen]

    def first_failing(self) -> Part | None:
        """Run all pairs; the first layer that does not agree with its counterpart, though it could have one."""
        self.ran = self._trial(self.pairs.values(), [layer for part in self.targets for layer in part.layers])
        theirs = gave(self.ran)
        self.settled = dict(self._agreeing(theirs))
        for part in self._running:
            done = part.cell in self.settled or part.cell in self.apart or part.cell in self.unseen
            if not done and (part.cell in self.pairs or any(self._free_ways(part))):
                return part
        return None

    @property
    def unseen(self) -> list[str]:
        """Pairs of which one side at least is no layer that runs and can be watched by itself."""
        return [cell for cell, pairing in self.pairs.items() if not (pairing.source.seen and pairing.target.seen)]

    def _among_unseen(self, part: Part | None) -> bool:
        """Of what cannot be watched only what comes behind tells: ways to pair it until ``part`` agrees.

        None stands for the outputs.
        """
        cells, order = self.unseen, self._order
        before = dict(self.pairs)
        sources, targets = [before[cell].source for cell in cells], [before[cell].target for cell in cells]
        ways = [[way for target in targets for way in self.candidates.of(source, target)] for source in sources]
        whole = (tried for tried in itertools.product(*ways) if len({way.target.cell for way in tried}) == len(cells))
        for tried in itertools.islice(whole, _MOST_UNSEEN if cells else 0):
            self.pairs.update(zip(cells, tried, strict=True))
            failing = self.first_failing()
            assert self.ran is not None
            further = failing is not None and part is not None and order.index(failing.cell) > order.index(part.cell)
            if further or (failing is None and (part is not None or self.bench.outputs_agree(self.ran))):
                return True
        self.pairs.update(before)
        self.first_failing()
        return False

    def _trial(self, pairs: Iterable[Pairing], taps: Sequence[str]) -> Outputs:
        return self.bench.run(pairs, taps, self._instead())

    def _instead(self) -> Calls:
        """What the counterparts of layers that are apart are to give: what the source's gave."""
        assert self.bench.ran is not None
        calls: dict[str, list[exchange.Message]] = defaultdict(list)
        ends = self.bench.source, self.bench.target
        for tap in self.bench.ran.taps:
            for cell in self.apart & self.pairs.keys():
                pairing = self.pairs[cell]
                if pairing.source.layer == tap.layer and pairing.target.layer:
                    calls[pairing.target.layer].append(relaid(tap.gave[0], *ends, pairing.kind.output))
        return dict(calls)

    def _agreeing(self, theirs: Gave) -> Iterator[tuple[str, str]]:
        for cell, pairing in self.pairs.items():
            how = self.bench.agrees(pairing, theirs) if cell not in self.unseen else None
            if how is not None and cell not in self.apart:
                yield cell, how

    def _free_ways(self, part: Part) -> Iterator[tuple[Pairing, ...]]:
        """Every way to pair it with a running layer of the target that is not settled."""
        held = {self.pairs[cell].target.cell for cell in self.settled}
        for target in self.targets:
            if target.seen and target.cell not in held:
                ways = self.candidates.of(part, target)
                if ways:
                    yield ways

    def _another(self, part: Part) -> bool:
        """Load the layer's weights into every candidate, and take one that gives what it gave."""
        free = list(self._free_ways(part))
        current = self.pairs.get(part.cell)
        for ways in itertools.zip_longest(*free):
            tried = [way for way in ways if way is not None and way != current]
            if not tried:
                continue
            taken = {way.target.cell for way in tried}
            others = [pairing for pairing in self.pairs.values() if pairing.target.cell not in taken]
            theirs = gave(self._trial([*others, *tried], [layer for way in tried for layer in way.target.layers]))
            hits = [way for way in tried if self.bench.agrees(way, theirs) is not None]
            if hits:
                self._assign(max(hits, key=lambda way: self.candidates.score(part, way.target)))
                return True
        return False

    def _assign(self, pairing: Pairing) -> None:
        """Take this pair, and its target's former counterpart gets what thereby becomes free, where that fits."""
        cell = pairing.source.cell
        holder = next((own for own, held in self.pairs.items() if held.target.cell == pairing.target.cell), None)
        old = self.pairs.pop(cell, None)
        if holder is not None and holder != cell:
            former = self.pairs.pop(holder)
            ways = self.candidates.of(former.source, old.target) if old is not None else ()
            if ways:
                self.pairs[holder] = ways[0]
        self.pairs[cell] = pairing

    def _turned(self, part: Part) -> bool:
        """Layers before it that read the same input and look the same may be exchanged: another order of them helps."""
        for group in reversed(self._groups(before=self._order.index(part.cell))):
            before = dict(self.pairs)
            targets = [before[member.cell].target for member in group]
            for order in itertools.islice(itertools.permutations(targets), 1, _MOST_TWINS):
                if self._exchange(group, order) and self._resettled(part):
                    return True
                self.pairs = dict(before)
        return self._reordered(part)

    def _reordered(self, part: Part) -> bool:
        """Layers before it that are several in one may be so in another order: what they give does not tell which."""
        before = dict(self.pairs)
        for cell in reversed(self._order[: self._order.index(part.cell)]):
            pairing = before.get(cell)
            if pairing is not None and pairing.fusion is not None:
                for way in self.candidates.of(pairing.source, pairing.target):
                    self.pairs = {**before, cell: way}
                    if self._resettled(part):
                        return True
        self.pairs = before
        self.first_failing()
        return False

    def _exchange(self, group: Sequence[Part], targets: Sequence[Part]) -> bool:
        """Pair these with those, each in the likeliest way; False where some cannot be paired."""
        ways = [self.candidates.of(member, target) for member, target in zip(group, targets, strict=True)]
        if all(ways):
            self.pairs.update({member.cell: found[0] for member, found in zip(group, ways, strict=True)})
        return all(ways)

    def _resettled(self, part: Part | None) -> bool:
        """Find what lies behind an exchange its new counterparts, up to ``part`` and with it; None for to the end."""
        last = len(self._order) if part is None else self._order.index(part.cell)
        for _ in self._order:
            failing = self.first_failing()
            if failing is None or self._order.index(failing.cell) > last:
                return True
            if not self._another(failing):
                return False
        return False

    def _groups(self, before: int) -> list[list[Part]]:
        """Settled layers that read the same input and have the same tensors, among the first so many."""
        found: dict[object, list[Part]] = defaultdict(list)
        for part in self._running[:before]:
            if part.cell in self.settled and part.read:
                found[part.signature, part.read].append(part)
        return [group for group in found.values() if len(group) > 1]

    def _test_twins(self) -> None:
        """Exchange such layers once more: where everything still agrees, the numbers cannot tell them apart."""
        assert self.ran is not None
        before, settled, agreed = dict(self.pairs), len(self.settled), self.bench.outputs_agree(self.ran)
        for group in self._groups(before=len(self._running)):
            for one, other in itertools.combinations(group, 2):
                targets = before[other.cell].target, before[one.cell].target
                alike = self._exchange((one, other), targets) and self._resettled(None)
                if alike and (len(self.settled), self.bench.outputs_agree(self.ran)) == (settled, agreed):
                    self.twins[one.cell] = (*self.twins.get(one.cell, ()), other.cell)
                    self.twins[other.cell] = (*self.twins.get(other.cell, ()), one.cell)
                self.pairs = dict(before)
        self.first_failing()

    @property
    def softmax(self) -> str:
        """The column that returns probabilities where the other returns logits; "" for none."""
        assert self.ran is not None
        return self.bench.probabilities(self.ran)

    def reaches_the_outputs(self, cell: str) -> bool:
        """Whether the target's outputs change when its tensors are not the pair's."""
        assert self.ran is not None
        others = [pairing for own, pairing in self.pairs.items() if own != cell]
        changed = self._trial(others, [])
        return self.bench.outputs_agree(self.ran) and not self.bench.outputs_agree(changed)
