"""Whose names a file has: every column of every table is known, and no table is read further than it must be."""

from collections import Counter

import pytest

from xframe.mapping import load_table, skim, table_names
from xframe.planning import catalogue as catalogue_of_tables
from xframe.planning import identify
from xframe.planning.catalogue import Catalogue, owner_of

COLUMNS = [(model, column) for model in table_names() for column in skim(model)[0]]


@pytest.fixture(scope="module")
def tables():
    return {model: load_table(model) for model in table_names()}


@pytest.fixture(scope="module")
def catalogue():
    return Catalogue()


def names(table, column, *, all_of_them=True):
    entries = [entry for entry in table.entries if column in entry.names]
    return [entry.names[column].name for entry in entries if all_of_them or not entry.dispensable]


@pytest.mark.parametrize(("model", "column"), COLUMNS)
def test_a_column_is_known_by_its_names(tables, catalogue, model, column):
    needed = names(tables[model], column, all_of_them=False)
    held = set(names(tables[model], column))
    assert (model, column) in catalogue.having(held)
    assert (model, column) in catalogue.having(set(needed))
    assert (model, column) not in catalogue.having({*held, "one.more"})
    for lacking in (needed[0], needed[-1]):
        assert (model, column) not in catalogue.having(held - {lacking})


def test_names_behind_a_prefix_are_known(tables):
    found = owner_of([f"module.{name}" for name in names(tables["resnet18"], "torch")])
    assert found is not None
    assert (found.prefix, found.columns) == ("module.", [("resnet18", "torch")])


@pytest.fixture
def read(monkeypatch):
    """How many tensors were read of each table."""
    counted = Counter()

    def counting(model):
        def entries():
            for entry in skim(model)[1]:
                counted[model] += 1
                yield entry

        return skim(model)[0], entries()

    monkeypatch.setattr(catalogue_of_tables, "skim", counting)
    return counted


def test_names_of_nobody_cost_a_row_of_each_table(tables, read):
    """Reading all of them took `xframe inspect` half of its second."""
    assert identify([f"layers.{number}.weight" for number in range(58)]) == []
    assert read.keys() == tables.keys()
    assert sum(read.values()) < 5 * len(tables)


def test_a_relative_is_read_until_it_is_another(tables, read):
    assert identify(names(tables["resnet18"], "paddle/custom")) == [("resnet18", "paddle/custom")]
    assert read["resnet18"] == len(tables["resnet18"].entries)
    assert read["resnet152"] < len(tables["resnet152"].entries) / 10


def test_nothing_is_nobodys():
    assert identify([]) == []
