"""Find and read mapping tables: TOML in, frozen Table out, every problem at once."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from xframe.errors import Problem, TableError, UsageError
from xframe.mapping.columns import read_differences, read_implementations
from xframe.mapping.entries import entries_of, entry_problems
from xframe.mapping.kinds import AXES, Kinds, read_kind_tables, read_kinds
from xframe.mapping.places import Places
from xframe.mapping.rows import read_rows
from xframe.mapping.section import Section
from xframe.mapping.table import Entry, Implementation, Layer, Option, Table

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


@dataclass(frozen=True, slots=True)
class _Opened:
    """A table's file with all but its rows read."""

    path: Path
    root: Section
    kinds: Kinds
    defaults: dict[str, Any]
    chosen: dict[str, Option]
    named: dict[str, Any]
    implementations: dict[str, Implementation]

    def layers(self) -> Iterator[Layer]:
        return read_rows(self.root, self.implementations, self.kinds, self.named)


def _opened(model: str, options: Mapping[str, Option]) -> _Opened:
    path = find_table(model)
    root = _open(path)
    kinds = load_kinds().extended(read_kind_tables(root.section("kinds")))
    defaults = root.section("options").data
    chosen = _chosen(path.stem, defaults, options)
    implementations = read_implementations(root.section("implementations"), kinds, defaults, path.parent)
    named = {**root.take("sizes", dict, {}), **chosen}
    return _Opened(path, root, kinds, defaults, chosen, named, implementations)


def load_table(model: str, options: Mapping[str, Option] | None = None) -> Table:
    """The table of ``model`` (a name or a path) with ``options`` put over its defaults.

    Raises TableError with every problem in the file, UsageError for an unknown model or option.
    """
    opened = _opened(model, options or {})
    root, implementations = opened.root, opened.implementations
    layers = tuple(opened.layers())
    axes = _axes(root)
    table = Table(
        name=opened.path.stem,
        summary=root.require("summary", str, ""),
        file=opened.path,
        input=_input(root, opened.named),
        input_axes=axes[0],
        output_axes=axes[1],
        tokens=_tokens(root, opened.named),
        options=MappingProxyType(opened.chosen),
        defaults=MappingProxyType(opened.defaults),
        lengths=_lengths(root, implementations),
        implementations=MappingProxyType(implementations),
        layers=layers,
        differences=tuple(read_differences(root, implementations)),
        entries=tuple(entry for layer in layers for entry in entries_of(layer, implementations)),
    )
    root.finish()
    root.problems.extend(entry_problems(table))
    _raise_if_any(root)
    return table


def skim(model: str) -> tuple[list[str], Iterator[Entry]]:
    """A table's columns, and its tensors one after another, each row read when it is asked for.

    For a look whether a file is of this model at all: nothing of the table is checked as a whole. Raises TableError
    where the file cannot be read.
    """
    opened = _opened(model, {})
    entries = (entry for layer in opened.layers() for entry in entries_of(layer, opened.implementations))
    return list(opened.implementations), entries


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
