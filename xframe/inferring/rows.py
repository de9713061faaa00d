"""Rows of a table, from pairs of two columns; and of a table that there is, with a column more."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from xframe.errors import LayoutError
from xframe.inferring.own_kinds import Ends
from xframe.inferring.result import Finding
from xframe.inferring.solving import solve
from xframe.layouts import Rearrangement
from xframe.mapping import Implementation, Kind, KindTensor, Table
from xframe.mapping.forms import Form
from xframe.mapping.table import AND, OWN, Layer

Columns = Mapping[str, Implementation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A layer: its kind, its cell in every column, and what a row states besides. ``only`` has a role's columns."""

    kind: Kind
    cells: Mapping[str, str]
    sizes: Mapping[str, int] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    only: Mapping[str, tuple[frozenset[str], str]] = field(default_factory=dict)
    gain: float = 1.0
    doubt: str = ""


def row_of(finding: Finding, columns: Columns) -> Row:
    """The row of one pair."""
    pairing = finding.pairing
    because = {role: f"inferred: only {column} has it; the others do without" for role, column in pairing.lone.items()}
    return Row(
        kind=pairing.kind,
        cells=_cells(finding, columns),
        sizes=pairing.sizes,
        without=pairing.absent,
        only={role: (frozenset({column}), because[role]) for role, column in pairing.lone.items()},
        doubt=finding.doubt,
    )


def _cells(finding: Finding, columns: Columns) -> dict[str, str]:
    """The two cells; with a place for the tensors' names where no diff may compare what the layers give."""
    cells = [part.cell for part in (finding.pairing.source, finding.pairing.target)]
    if finding.unlike:
        cells = [
            cell if OWN in cell or AND in cell else f"{cell}{column.framework.separator}{OWN}"
            for cell, column in zip(cells, columns.values(), strict=True)
        ]
    return dict(zip(columns, cells, strict=True))


def extended(table: Table, findings: Sequence[tuple[Layer, Finding]], columns: Columns) -> Iterator[Row]:
    """The table's rows, each with the cell of the second of ``columns``; those that have none are left out.

    ``findings`` come with the table's layers that they are about.

    ``columns`` are the table's first one and the new one.
    """
    first, new = columns
    for layer in table.layers:
        if not layer.kind.tensors:
            yield Row(kind=layer.kind, cells={name: cell for name, cell in layer.names.items() if cell})
    for layer, finding in findings:
        row = row_of(finding, columns)
        kind, doubt = _common(layer, row.kind, table, columns[new]), finding.doubt
        if kind is None:
            doubt = f"the table has it as a {layer.kind.name}, and {new} as a {row.kind.name}"
        kind = kind or layer.kind
        sizes = {axis: length for axis, length in {**layer.sizes, **row.sizes}.items() if axis in kind.axes}
        only = dict(_only(layer, finding, (first, new), tuple(table.implementations)))
        yield Row(
            kind=kind,
            cells={**layer.names, new: row.cells[new]},
            sizes=sizes,
            without=layer.absent - only.keys(),
            only=only,
            gain=layer.gain,
            doubt=doubt,
        )


def _only(
    layer: Layer, finding: Finding, columns: tuple[str, str], old: Sequence[str]
) -> Iterator[tuple[str, tuple[frozenset[str], str]]]:
    """Who has the tensors that some lack, with the new column, the second of ``columns``."""
    first, new = columns
    for role in layer.kind.roles:
        lone = finding.pairing.lone.get(role)
        before = layer.only.get(role)
        if before is None and lone is None:
            continue
        if before is not None:
            has = lone == new or (lone is None and first in before[0])
            yield role, (before[0] | {new} if has else before[0], before[1].because)
        elif lone == new:
            yield role, (frozenset({new}), f"inferred: only {new} has it; the others do without")
        else:
            yield role, (frozenset(old), f"inferred: {new} does without")


def _common(layer: Layer, kind: Kind, table: Table, new: Implementation) -> Kind | None:
    """A kind that says what the table's does of its columns and what ``kind`` does of the new one."""
    first = next(iter(table.implementations.values()))
    if layer.kind == kind or _is_as_good(layer, kind, (first, new)):
        return layer.kind
    if _is_alike(layer, kind, table):
        return kind  # and it has the new column's forms
    merged = []
    for tensor in layer.kind.tensors:
        found = next((other for other in kind.tensors if other.role == tensor.role), None)
        form = None if found is None else new.form(found)
        forms = tensor.forms if form is None else {**tensor.forms, new.dialect: form}
        merged.append(replace(tensor, forms=MappingProxyType(dict(forms))))
    axes = all(len({_lengths(form) for form in tensor.forms.values()}) == 1 for tensor in merged)
    if not axes or {tensor.role for tensor in kind.tensors} - {tensor.role for tensor in merged}:
        return None
    return replace(layer.kind, tensors=tuple(merged))


def _lengths(form: Form) -> frozenset[str]:
    """The axes that have a length, and no blocks: some columns may keep those as tensors of their own."""
    return frozenset(form.pattern.axes) - frozenset(form.pattern.blocks)


def _is_as_good(layer: Layer, kind: Kind, ends: Ends) -> bool:
    """Whether the table's own kind moves the same to the new column as the kind that was found."""
    theirs = {tensor.role: tensor for tensor in layer.kind.tensors}
    return all(
        tensor.role in theirs and _moves_alike(tensor, theirs[tensor.role], ends)
        for tensor in kind.tensors
        if tensor.stated not in layer.absent
    )


def _is_alike(layer: Layer, kind: Kind, table: Table) -> bool:
    """Whether another kind moves the same between all of the table's columns, by names and element by element."""
    first, *others = table.implementations.values()
    theirs = {tensor.role: tensor for tensor in kind.tensors}
    ours = [tensor for tensor in layer.kind.tensors if tensor.stated not in layer.absent]
    return all(
        tensor.role in theirs and _moves_alike(tensor, theirs[tensor.role], (first, other))
        for tensor in ours
        for other in others
    )


def _moves_alike(one: KindTensor, other: KindTensor, ends: Ends) -> bool:
    """Whether a small array goes the same way by both. The second's axes may be finer than the first's."""
    here, there = (end.form(one) for end in ends)
    here_too, there_too = (end.form(other) for end in ends)
    if here is None or there is None or here_too is None or there_too is None:
        return (here, there) == (here_too, there_too)
    if (here.name, there.name) != (here_too.name, there_too.name):
        return False
    fine = {axis: 2 + index for index, axis in enumerate(here_too.pattern.axes)}
    array = np.arange(math.prod(here_too.pattern.shape(fine))).reshape(here_too.pattern.shape(fine))
    coarse = solve([(here.pattern, array.shape)])
    try:
        moved = Rearrangement(here.pattern, there.pattern, coarse or {}, here.part, there.part).apply(array)
        too = Rearrangement(here_too.pattern, there_too.pattern, fine, here_too.part, there_too.part).apply(array)
    except LayoutError:
        return False
    return np.array_equal(moved, too)
