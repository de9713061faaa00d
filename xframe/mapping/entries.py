"""The tensors of a table, layer by layer, and what no single row of it can see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from xframe.errors import Problem
from xframe.mapping.forms import Form
from xframe.mapping.kinds import Fill
from xframe.mapping.table import Entry, Implementation, Layer, Table, TensorName


def entries_of(layer: Layer, implementations: Mapping[str, Implementation]) -> Iterator[Entry]:
    """One for each tensor, and one for each further name that a column has for it."""
    for tensor in layer.kind.tensors:
        columns = [column for column in implementations.values() if layer.has(tensor.stated, column)]
        forms = {column.name: form for column in columns if (form := column.form(tensor)) is not None}
        if tensor.again and not any(form.same_as for form in forms.values()):
            continue
        named = {column.name: _names(layer, column, forms[column.name]) for column in columns if column.name in forms}
        fill: Fill | None = layer.only[tensor.stated][1] if tensor.stated in layer.only else tensor.fill
        first = {name: names[0] for name, names in named.items()}
        if first:
            yield Entry(layer=layer, tensor=tensor, names=MappingProxyType(first), fill=fill, again=tensor.again)
        for name, names in named.items():
            for other in names[1:]:
                again = MappingProxyType({**first, name: other})
                yield Entry(layer=layer, tensor=tensor, names=again, fill=fill, again=True)


def _names(layer: Layer, column: Implementation, form: Form) -> list[TensorName]:
    """The tensor in one column; its further names, which the cell gives it, are the same as the first."""
    first, *others = layer.tensor_names(column, form.name)
    same_as = None if form.same_as is None else layer.tensor_names(column, form.same_as)[0]
    found = [TensorName(first, form.pattern, form.part, same_as)]
    return found + [TensorName(other, form.pattern, form.part, same_as or first) for other in others]


def entry_problems(table: Table) -> Iterator[Problem]:
    """What no single row can see: names used twice, tensors that only some have, folds that lead nowhere."""
    yield from _shared_names(table)
    for implementation in table.implementations:
        users = defaultdict(list)
        for entry in table.entries:
            if implementation in entry.names:
                users[entry.names[implementation].name].append(entry.layer.place)
        for name, places in users.items():
            if len(set(places)) > 1:  # within one row it is told already: its pattern leaves a variable out
                detail = f"'{name}' is used twice in the column '{implementation}', first at {places[0]}"
                yield Problem(kind="table", tensor=places[-1], detail=detail)
    for entry in table.entries:
        lacking = [name for name in table.implementations if name not in entry.names]
        if lacking and entry.fill is None:
            detail = (
                f"the tensor '{entry.tensor.role}' has no counterpart in {', '.join(lacking)}, and no fill is declared"
            )
            yield Problem(
                kind="table",
                tensor=entry.layer.place,
                detail=detail,
                suggestion="state it under only = { … }, or without = [ … ]",
            )
        if entry.fill and entry.fill.folds and fold_entry(table, entry) is None:
            names = f"fold_into = '{entry.fill.fold_into}' names no batch norm here"
            if entry.fill.add_to is not None:
                names = f"add_to = '{entry.fill.add_to}' names no tensor of this layer"
            yield Problem(kind="table", tensor=entry.layer.place, detail=names)


def _shared_names(table: Table) -> Iterator[Problem]:
    """Two tensors of one layer under one name: only the blocks of one may share a name."""
    for implementation in table.implementations:
        seen: dict[tuple[int, str], str] = {}
        for entry in table.entries:
            if implementation in entry.names:
                name, role = entry.names[implementation].name, entry.tensor.stated
                first = seen.setdefault((id(entry.layer), name), role)
                if first != role:
                    detail = f"'{name}' is both '{first}' and '{role}' in the column '{implementation}'"
                    yield Problem(kind="table", tensor=entry.layer.place, detail=detail)


def fold_entry(table: Table, entry: Entry) -> Entry | None:
    """The tensor that takes over this entry's values when it is dropped, as its fill names it.

    That is a running mean for ``fold_into``, a tensor of the same layer for ``add_to``.
    """
    fill = entry.fill
    if fill is None or not fill.folds:
        return None
    for other in table.entries:
        if fill.add_to is not None:
            fits = other.layer is entry.layer and other.tensor.stated == fill.add_to and not other.again
        else:
            named = any(other.layer.names[name] == fill.fold_into for name in entry.names)
            fits = named and other.tensor.role == "mean"
        if fits:
            return other
    return None
