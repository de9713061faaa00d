"""What an inference found, as a table: one of two columns, or the text of one that there is with a column more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from xframe.inferring.amending import amended
from xframe.inferring.parts import Part
from xframe.inferring.result import Finding
from xframe.inferring.rows import Row, extended, row_of
from xframe.inferring.writing import at_home, head_of, written
from xframe.mapping import Implementation, Kinds, Table
from xframe.mapping.lines import Unplaced
from xframe.mapping.table import OUTPUTS, Layer

REWRITTEN = "the table's text is not a row a section: it was written anew, without its comments"


@dataclass(slots=True)
class Draft:
    """A table in the making. ``softmax`` is the column that gives probabilities where the other gives logits.

    ``findings`` are the pairs, those that the table has no row for with the doubt that says so. ``notes`` grow.
    """

    table: Table  # of the two columns, without rows
    given: Table | None  # that gets the second column
    known: Kinds
    findings: tuple[Finding, ...]
    alone: Mapping[str, Sequence[Part]]
    softmax: str
    notes: list[str] = field(default_factory=list)
    whole: bool = True  # whether it has a row for every pair

    def __post_init__(self) -> None:
        if self.given is not None:
            told = tuple(replace(finding, doubt=self._doubt(finding)) for finding in self.findings)
            self.whole = told == self.findings  # else it lacks a row, or has one of another kind
            self.findings = told

    def text(self, home: Path) -> tuple[str, int]:
        """The table as it is to lie in the folder ``home``, and how many rows it has."""
        if self.given is None:
            rows = [row_of(finding, self.table.implementations) for finding in self.findings]
            head = head_of(self.table, [row.kind for row in rows], self.known, self.softmax)
            return written(at_home(head, home), rows, self.alone, self.known)
        rows = self._extended(self.findings)
        new = list(self.table.implementations.values())[-1]
        spoken = head_of(self.table, [row.kind for row in rows], self.known).implementations[new.name].dialect
        columns = {**self._old(), new.name: replace(new, dialect=spoken, output=self._output(new))}
        head = at_home(replace(self.given, implementations=MappingProxyType(columns)), home)
        try:
            return amended((self.given, head), rows, self.alone, self.known)
        except Unplaced:
            if REWRITTEN not in self.notes:
                self.notes.append(REWRITTEN)
            return written(head, rows, self.alone, self.known)

    def _layer(self, finding: Finding) -> Layer | None:
        """The table's layer that a pair is about: the one of the same tensors, whatever its cell is spelt like."""
        assert self.given is not None
        first = next(iter(self.given.implementations))
        names = {spec.name for spec in finding.pairing.source.specs}
        held = [entry for entry in self.given.entries if first in entry.names and entry.names[first].name in names]
        layers = {id(entry.layer): entry.layer for entry in held}
        covered = {entry.names[first].name for entry in held} == names
        return next(iter(layers.values())) if len(layers) == 1 and covered else None

    def _extended(self, findings: Sequence[Finding]) -> list[Row]:
        assert self.given is not None
        told = [(layer, finding) for finding in findings if (layer := self._layer(finding)) is not None]
        return list(extended(self.given, told, self.table.implementations))

    def _doubt(self, finding: Finding) -> str:
        """What is doubtful about a pair, or about the row that it has."""
        assert self.given is not None
        if self._layer(finding) is None:
            cell = finding.pairing.source.called
            return f"{self.given.name} has no one row for {cell}: write it by hand, or infer from two SOURCE=BUILD anew"
        return self._extended([finding])[-1].doubt

    def _old(self) -> dict[str, Implementation]:
        """The table's columns. What the first one gives, all do that say the same: its probabilities are known now."""
        assert self.given is not None
        first = next(iter(self.given.implementations.values()))
        columns = dict(self.given.implementations)
        if self.softmax == first.name:
            columns = {
                name: replace(column, output=OUTPUTS[1]) if column.output == first.output else column
                for name, column in columns.items()
            }
        return columns

    def _output(self, new: Implementation) -> str:
        """Whether the new column gives probabilities: as the first one does, unless one of the two has a softmax."""
        assert self.given is not None
        first = next(iter(self.given.implementations.values()))
        return {"": first.output, new.name: OUTPUTS[1]}.get(self.softmax, OUTPUTS[0])
