"""What is said of a plan that cannot be made: every problem, or one sentence for a file that is another model's."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from xframe.checkpoints.prefixes import prefix_missing, prefix_too_many, strip_flag
from xframe.checkpoints.refusals import shown
from xframe.errors import LayoutError, PlanError, Problem
from xframe.mapping import Entry, Table
from xframe.planning.catalogue import identify, owner_of
from xframe.planning.plan import Specs
from xframe.planning.suggest import common_dtype
from xframe.tensors import TensorSpec

Ends = tuple[str, str]  # the source and the target


def refusal(table: Table, ends: Ends, held: Specs, problems: Sequence[Problem]) -> PlanError:
    """Every problem; in a sentence where the file is simply another model's, or another column's."""
    port = f"{table.name} {ends[0]} -> {ends[1]} is refused, and no tensor has moved"
    expected = {entry.names[ends[0]].name for entry in table.entries if ends[0] in entry.names}
    if _is_foreign(expected, held):
        return PlanError(f"{port}: {_foreign(table, ends[0], expected, held)}", problems, brief=True)
    if column := _other_column(table, ends[0], held):
        return PlanError(f"{port}: {_turned_round(ends[0], column, problems)}", problems, brief=True)
    if common := common_dtype(problems):
        return PlanError(f"{port}: {common}", problems, brief=True)
    count = len(problems)
    rule = "Every tensor of the source must be used and every tensor of the target set"
    return PlanError(f"{port}. {rule}; {count} {'is' if count == 1 else 'are'} not as the table says:", problems)


def _is_foreign(expected: set[str], held: Collection[str]) -> bool:
    """Whether the file is another model's altogether: few of our names, or some of ours and all of another's."""
    share = len(expected.intersection(held)) / max(1, len(expected))
    return share < 0.25 or (share < 0.75 and bool(identify(held)))


def _other_column(table: Table, source: str, held: Specs) -> str | None:
    """The column that the file's names and shapes are of, where they are not the source's."""
    others = [column for column in table.implementations if column != source]
    return None if _is_of(table, source, held) else next((name for name in others if _is_of(table, name, held)), None)


def _is_of(table: Table, column: str, held: Specs) -> bool:
    entries = [entry for entry in table.entries if column in entry.names]
    if held.keys() - {entry.names[column].name for entry in entries}:
        return False
    return all(_is_there(entry, column, held.get(entry.names[column].name)) for entry in entries)


def _is_there(entry: Entry, column: str, spec: TensorSpec | None) -> bool:
    if spec is None:
        return entry.dispensable
    try:
        entry.names[column].pattern.bind(spec.shape, entry.layer.sizes)
    except LayoutError:
        return False
    return True


def _turned_round(source: str, column: str, problems: Sequence[Problem]) -> str:
    first = problems[0]
    return (
        f"expected {source} weights; found names and shapes that {column} has, as '{first.tensor}' shows "
        f"({first.detail}). Try: the source {column}."
    )


def _foreign(table: Table, source: str, expected: set[str], held: Collection[str]) -> str:
    example = f" such as '{shown(next(iter(held)))}'" if held else ""
    return (
        f"these are not {table.name}'s {source} weights. Expected {len(expected)} tensors such as "
        f"'{min(expected)}'; found {len(held)}{example}, {len(expected.intersection(held))} of them under an "
        f"expected name. {_whose(source, expected, held)}"
    )


def _whose(source: str, expected: set[str], held: Collection[str]) -> str:
    """What to try: a prefix, the model and the source whose names these are, or a look into the file."""
    if prefix := prefix_too_many(held, expected):
        return f"All have the prefix '{shown(prefix)}'. Try: {strip_flag(prefix)}."
    if prefix := prefix_missing(held, expected):
        return f"They lack the prefix '{prefix}', which the table's {source} names have."
    owner = owner_of(held)
    if owner is None:
        return "No table that comes with xframe has those names. Try: xframe inspect FILE."
    model, other = owner.columns[0]
    flags = f" and {owner.flags}" if owner.flags else ""
    return f"Those are the names of {owner}. Try: {model} with the source {other}{flags}."
