"""Pairs of two weight files, where no code exists: names, shapes, and values where both hold the same training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from xframe.checkpoints.model import Checkpoint
from xframe.errors import PlanError
from xframe.inferring.alignment import Candidates, by_name
from xframe.inferring.bench import Arrays, table_of
from xframe.inferring.pairing import Hints, Pairing, words
from xframe.inferring.parts import Part, joined, parts_of, tied
from xframe.inferring.result import Finding
from xframe.mapping import Implementation, Kinds, Table
from xframe.planning import computed, make_plan


@dataclass(slots=True)
class BareFiles:
    """Two files under comparison; nothing of them is run. ``found`` grows pair by pair."""

    table: Table
    known: Kinds
    files: tuple[Checkpoint, Checkpoint]
    found: list[Finding] = field(default_factory=list)

    def parts(self) -> tuple[list[Part], list[Part]]:
        """Both files' parts, in the order of the files."""
        one, other = self.table.implementations.values()
        return self._parts(one, self.files[0]), self._parts(other, self.files[1])

    def _parts(self, column: Implementation, file: Checkpoint) -> list[Part]:
        framework = column.framework
        specs = {name: tensor.spec for name, tensor in file.tensors.items()}
        found = parts_of(specs, {}, framework.name, framework.separator, self.known)
        values = {name: tensor.array() for name, tensor in file.tensors.items()}
        return joined(found, lambda one, other: tied(one, other, values))

    def carry_out(self) -> tuple[list[Part], list[Part]]:
        """Pair what can be paired; the parts of either file that have no counterpart."""
        sources, targets = self.parts()
        one, other = self.table.implementations.values()
        candidates = Candidates((one, other), Hints())
        values = {name: tensor.array() for name, tensor in self.files[0].tensors.items()}
        theirs = {name: tensor.array() for name, tensor in self.files[1].tensors.items()}
        for source in list(sources):
            pairing = self._equal(source, targets, candidates, (values, theirs))
            if pairing is not None:
                self._take(pairing, "the values of both files are the same", "", sources, targets)
        fits = {part.cell: [other for other in targets if candidates.agree(part, other)] for part in sources}
        for cell, pairing in by_name(sources, targets, candidates).items():
            doubt = _doubt(pairing, fits, candidates)
            self._take(pairing, doubt[0], doubt[1], sources, targets)
            assert cell not in {part.cell for part in sources}
        return sources, targets

    def _take(self, pairing: Pairing, evidence: str, doubt: str, sources: list[Part], targets: list[Part]) -> None:
        if not doubt and (pairing.source.again or pairing.target.again):  # only a model could tell which it is
            doubt = "its names hold the same bits: one tensor, or copies that no training has told apart"
        self.found.append(Finding(pairing=pairing, evidence=evidence, doubt=doubt))
        sources.remove(pairing.source)
        targets.remove(pairing.target)

    def _equal(
        self, source: Part, targets: Sequence[Part], candidates: Candidates, values: tuple[Arrays, Arrays]
    ) -> Pairing | None:
        """The counterpart that holds the same bits; None where there is none, or where the bits say nothing."""
        if not any(values[0][spec.name].size > 1 and np.ptp(values[0][spec.name]) > 0 for spec in source.specs):
            return None
        for target in targets:
            for pairing in candidates.of(source, target):
                moved = self._moved(pairing, values[0])
                if moved and all(np.array_equal(array, values[1][name]) for name, array in moved.items()):
                    return pairing
        return None

    def _moved(self, pairing: Pairing, values: Arrays) -> Arrays:
        columns = tuple(self.table.implementations)
        table = table_of([pairing.layer((columns[0], columns[1]))], self.table, columns)
        held, wanted = ({spec.name: spec for spec in part.specs} for part in (pairing.source, pairing.target))
        try:
            plan = make_plan(table, columns[0], columns[1], held, values.__getitem__, wanted=wanted)
        except PlanError:
            return {}
        return {step.target.name: computed(step, values.__getitem__) for step in plan.moves}


def _doubt(pairing: Pairing, fits: dict[str, list[Part]], candidates: Candidates) -> tuple[str, str]:
    """What speaks for a pair of names and shapes, and what against it."""
    source, target = pairing.source, pairing.target
    here = fits[source.cell]
    there = [cell for cell, found in fits.items() if target in found]
    said = f"; supposed is {pairing.guess}" if pairing.guess else ""
    several = len(candidates.of(source, target)) > 1
    if len(here) == len(there) == 1 and not several:
        return "the only one of its kind and lengths", ""
    if words(source.cell) == words(target.cell) and not several:
        return "the same name, kind and lengths", ""
    others = f"{len(here)} layers have its kind and lengths" if len(here) > 1 else "it could be arranged otherwise"
    return "kind and lengths fit", f"{others}, and nothing was run{said}"
