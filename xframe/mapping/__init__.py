"""Mapping tables: one TOML file per architecture, a row per layer, a column per implementation."""

from xframe.mapping.entries import fold_entry
from xframe.mapping.kinds import Fill, Framework, Kind, Kinds, KindTensor
from xframe.mapping.load import find_table, load_kinds, load_table, skim, table_names, tables_folder
from xframe.mapping.table import Difference, Entry, Implementation, Layer, Option, Table, TensorName

__all__ = [
    "Difference", "Entry", "Fill", "Framework", "Implementation", "Kind", "KindTensor", "Kinds", "Layer", "Option",
    "Table", "TensorName", "find_table", "fold_entry", "load_kinds", "load_table", "skim", "table_names",
    "tables_folder",
]  # fmt: skip
