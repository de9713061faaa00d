"""Whose tensors are these? A file's names held against every column of every table."""

from __future__ import annotations

from collections.abc import Collection

from xframe.mapping import load_table, table_names


def identify(names: Collection[str]) -> list[tuple[str, str]]:
    """The (model, implementation) pairs whose tensor names these are, but for tensors that carry no weight.

    Empty where no known column has exactly these names.
    """
    held = set(names)
    found = []
    for model in table_names():
        table = load_table(model)
        for implementation in table.implementations:
            entries = [entry for entry in table.entries if implementation in entry.names]
            needed = {entry.names[implementation].name for entry in entries if not (entry.fill and entry.fill.discard)}
            known = {entry.names[implementation].name for entry in entries}
            if needed <= held <= known:
                found.append((model, implementation))
    return found


def spoken(found: list[tuple[str, str]]) -> str:
    """For a message: ``lenet5_maxavg (paddle, torch)``; the empty string for nothing."""
    columns: dict[str, list[str]] = {}
    for model, implementation in found:
        columns.setdefault(model, []).append(implementation)
    return ", ".join(f"{model} ({', '.join(names)})" for model, names in columns.items())
