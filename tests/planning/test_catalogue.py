"""Whose names a file's are: every column of every table is known again; only tables that are near are read whole."""

import pytest

from xframe.mapping import first_names, load_table, table_names
from xframe.planning import identify
from xframe.planning.catalogue import Catalogue, owner_of

COLUMNS = [(model, column) for model in table_names() for column in first_names(model)]


@pytest.fixture(scope="module")
def tables():
    return {model: load_table(model) for model in table_names()}


@pytest.fixture(scope="module")
def catalogue():
    return Catalogue()


def names(table, column, *, all_of_them=True):
    entries = [entry for entry in table.entries if column in entry.names]
    return [entry.names[column].name for entry in entries if all_of_them or not entry.dispensable]


def test_every_column_of_every_table_has_a_first_name(tables):
    assert [(model, column) for model, table in tables.items() for column in table.implementations] == COLUMNS


@pytest.mark.parametrize(("model", "column"), COLUMNS)
def test_a_column_is_known_by_its_names(tables, catalogue, model, column):
    needed = names(tables[model], column, all_of_them=False)
    held = set(names(tables[model], column))
    assert (model, column) in catalogue.having(held)
    assert (model, column) in catalogue.having(set(needed))
    assert (model, column) not in catalogue.having({*held, "one.more"})
    assert first_names(model)[column] == needed[0]
    for lacking in (needed[0], needed[-1]):
        assert (model, column) not in catalogue.having(held - {lacking})


def test_names_behind_a_prefix_are_known(tables):
    found = owner_of([f"module.{name}" for name in names(tables["resnet18"], "torch")])
    assert found is not None
    assert (found.prefix, found.columns) == ("module.", [("resnet18", "torch")])


def test_names_of_nobody_cost_no_whole_table(monkeypatch):
    """Reading all of them took `xframe inspect` half of its second."""
    monkeypatch.setattr("xframe.planning.catalogue.load_table", lambda model: pytest.fail(f"{model} was read"))
    assert identify([f"layers.{number}.weight" for number in range(58)]) == []


def test_only_near_tables_are_read_whole(tables, monkeypatch):
    read = []
    monkeypatch.setattr("xframe.planning.catalogue.load_table", lambda model: read.append(model) or tables[model])
    assert identify(names(tables["resnet18"], "paddle/custom")) == [("resnet18", "paddle/custom")]
    assert read == ["resnet18"]
