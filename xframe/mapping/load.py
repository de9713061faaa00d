"""Find and read mapping tables: TOML in, frozen Table out, every problem at once."""

from __future__ import annotations

import difflib
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from xframe.errors import Problem, TableError, UsageError
from xframe.mapping.columns import read_differences, read_implementations
from xframe.mapping.forms import Form
from xframe.mapping.kinds import AXES, Fill, Kinds, read_kind_tables, read_kinds
from xframe.mapping.places import Places
from xframe.mapping.rows import read_rows
from xframe.mapping.section import Section
from xframe.mapping.table import Entry, Implementation, Layer, Option, Table, TensorName

_PACKAGE = Path(__file__).parents[1]


def tables_folder() -> Path:
    """mappings/: inside the installed package, or beside it in a checkout."""
    installed = _PACKAGE / "mappings"
    return installed if installed.is_dir() else _PACKAGE.parent / "mappings"


def table_names() -> list[str]:
    """The architectures that come with xframe."""
    return sorted(path.stem for path in tables_folder().glob("*.toml") if path.stem != "kinds")


def find_table(model: str) -> Path:
    """The file of a table by name or path. Raises UsageError with the nearest names."""
    if model.endswith(".toml") or "/" in model:
        path = Path(model)
        if not path.is_file():
            raise UsageError(
                f"There is no table at {model}: expected a .toml file, or one of {', '.join(table_names())}."
            )
        return path
    if model in table_names():
        return tables_folder() / f"{model}.toml"
    begun = [name for name in table_names() if model and name.startswith(model)]
    near = begun or difflib.get_close_matches(model, table_names(), n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(table_names())}."
    raise UsageError(f"Unknown model '{model}'. {hint} A table of your own is given as a path: ./{model}.toml.")


def load_kinds() -> Kinds:
    """mappings/kinds.toml, read once as long as it stays the same. Raises TableError with every problem in it."""
    path = tables_folder() / "kinds.toml"
    return _kinds_in(path, path.stat().st_mtime_ns if path.exists() else None)


@lru_cache(maxsize=8)
def _kinds_in(path: Path, _changed: int | None) -> Kinds:
    root = _open(path)
    kinds = read_kinds(root)
    _raise_if_any(root)
    return kinds


def load_table(model: str, options: Mapping[str, Option] | None = None) -> Table:
    """The table of ``model`` (a name or a path) with ``options`` put over its defaults.

    Raises TableError with every problem in the file, UsageError for an unknown model or option.
    """
    path = find_table(model)
    root = _open(path)
    kinds = load_kinds()
    kinds = kinds.extended(read_kind_tables(root.section("kinds")))
    defaults = root.section("options").data
    chosen = _chosen(path.stem, defaults, options or {})
    implementations = read_implementations(root.section("implementations"), kinds, defaults, path.parent)
    named = {**root.take("sizes", dict, {}), **chosen}
    layers = tuple(read_rows(root, implementations, kinds, named))
    axes = _axes(root)
    table = Table(
        name=path.stem,
        summary=root.require("summary", str, ""),
        file=path,
        input=_input(root, named),
        input_axes=axes[0],
        output_axes=axes[1],
        tokens=_tokens(root, named),
        options=MappingProxyType(chosen),
        defaults=MappingProxyType(defaults),
        lengths=_lengths(root, implementations),
        implementations=MappingProxyType(implementations),
        layers=layers,
        differences=tuple(read_differences(root, implementations)),
        entries=tuple(entry for layer in layers for entry in entries_of(layer, implementations)),
    )
    root.finish()
    root.problems.extend(_entry_problems(table))
    _raise_if_any(root)
    return table


def _open(path: Path) -> Section:
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TableError(
            f"{path} cannot be read as a table:", [Problem(kind="table", tensor=path.name, detail=str(error))]
        ) from error
    return Section(data, (), Places.of(path.name, text), [])


def _raise_if_any(root: Section) -> None:
    if root.problems:
        count = len(root.problems)
        raise TableError(f"{root.places.file}: {count} problem{'s' if count > 1 else ''}:", root.problems)


def _chosen(model: str, defaults: Mapping[str, Any], options: Mapping[str, Option]) -> dict[str, Option]:
    for key, value in options.items():
        if key not in defaults:
            raise UsageError(f"{model} has no option '{key}'. It has: {', '.join(defaults) or 'none'}.")
        if type(value) is not type(defaults[key]):
            raise UsageError(f"{model}'s option '{key}' is like {defaults[key]!r}; found {value!r}.")
    return {**defaults, **options}


def _input(root: Section, named: Mapping[str, Any]) -> tuple[int, ...]:
    """``input = ["in_channels", 224, 224]``: C×H×W, as lengths or names of options."""
    shape = tuple(named.get(item) if isinstance(item, str) else item for item in root.require("input", list, []))
    good = tuple(length for length in shape if isinstance(length, int) and not isinstance(length, bool) and length > 0)
    if len(good) != len(shape):
        root.problem(f"expected lengths or names of options, found {list(shape)!r}", "input")
    return good


def _axes(root: Section) -> tuple[str, str]:
    """``input_axes`` and ``output_axes``: the outputs are as the input unless told, token ids are a sequence."""
    read = AXES[1] if "tokens" in root.data else AXES[0]
    read = root.choice("input_axes", AXES, read)
    return read, root.choice("output_axes", AXES, read)


def _tokens(root: Section, named: Mapping[str, Any]) -> int | None:
    """``tokens = "vocabulary"``: the input is ids below this length, or below this option or size."""
    if "tokens" not in root.data:
        root.asked.add("tokens")
        return None
    value = root.take("tokens", object, None)
    found = named.get(value) if isinstance(value, str) else value
    if isinstance(found, int) and not isinstance(found, bool) and found > 1:
        return found
    root.problem(f"expected how many token ids there are, or an option's or size's name; found {value!r}", "tokens")
    return None


def _lengths(root: Section, implementations: Mapping[str, Implementation]) -> frozenset[str]:
    """Options that are lengths of the input and arguments of no factory."""
    taken = {option for column in implementations.values() for option in column.options}
    return frozenset(item for item in root.data.get("input", []) if isinstance(item, str)) - taken


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


def _entry_problems(table: Table) -> Iterator[Problem]:
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
