"""Mapping tables for the networks over token ids in nets/, free to be spoilt before they are written."""

import json
import tomllib
from copy import deepcopy
from dataclasses import dataclass, field
from typing import ClassVar

from planted import Sheet, inline

from xframe.mapping import tables_folder

ROWS = {
    "embed": {"kind": "embedding"},
    "lstm": {"kind": "lstm"},
    "rnn": {"kind": "simple_rnn"},
    "gru": {"kind": "gru"},
    "attend": {"kind": "multi_head_attention", "sizes": {"heads": 2}},
    "norm": {"kind": "layer_norm"},
    "mix": {"kind": "linear"},
    "head": {"kind": "linear"},
}


def own_kind(sheet, layer):
    """The kind of ``layer`` as kinds.toml writes it, to be changed for that layer alone."""
    known = tomllib.loads((tables_folder() / "kinds.toml").read_text(encoding="utf-8"))["kinds"]
    name = f"{sheet.rows[layer]['kind']}_spoilt"
    own = known[sheet.rows[layer]["kind"]]
    sheet.rows[layer]["kind"] = name
    return sheet.kinds.setdefault(name, own)


@dataclass
class TokenSheet(Sheet):
    """A table for the same networks in two frameworks, as the faults of the page are planted in."""

    rows: dict = field(default_factory=lambda: deepcopy(ROWS))
    reads: ClassVar = ("input = [7]", "tokens = 6")

    @property
    def options(self):
        return self.knobs

    def column(self, end, framework):
        knobs = {"options": list(self.knobs)} if self.knobs and end == self.at else {}
        return {"build": f"nets.sequence_{framework}:sequence", **knobs}


@dataclass
class SequenceSheet:
    """A table for some frameworks. ``knobs`` are options of the factory of the framework ``at``."""

    frameworks: tuple = ("paddle", "torch", "keras")
    knobs: dict = field(default_factory=dict)
    at: str = ""
    rows: dict = field(default_factory=lambda: deepcopy(ROWS))
    kinds: dict = field(default_factory=dict)

    def kind(self, layer):
        return own_kind(self, layer)

    def write(self, path):
        columns = {name: {"build": f"nets.sequence_{name}:sequence"} for name in self.frameworks}
        if self.knobs:
            columns[self.at]["options"] = list(self.knobs)
        parts = ['summary = "sequence"', "input = [7]", "tokens = 6", f"options = {inline(self.knobs)}"]
        parts += [f"kinds = {inline(self.kinds)}", f"implementations = {inline(columns)}"]
        for layer, row in self.rows.items():
            cells = {**dict.fromkeys(self.frameworks, layer), **row}
            parts += ["[[layers]]", *(f"{json.dumps(key)} = {inline(value)}" for key, value in cells.items())]
        path.write_text("\n".join(parts) + "\n", encoding="utf-8")
        return path


def respelt(kind, role, dialect, old, new):
    """Let the axes of one form say something else."""
    form = kind[role][dialect]
    ((name, axes),) = form.items()
    assert old in axes, axes
    form[name] = axes.replace(old, new)


# ── faults of the page ────────────────────────────────────────────────────────────────────────────────────────────────


def respell(layer, roles, **words):
    """Another order of axes or blocks in the spoilt column; ``words`` are by framework, what is written and what for.

    A framework that is not among the words has those of ``torch``.
    """

    def spoil(sheet):
        kind = own_kind(sheet, layer)
        for role in roles:
            if sheet.spoilt in kind[role]:
                respelt(kind, role, sheet.spoilt, *words.get(sheet.spoilt, words["torch"]))

    return spoil


def exchange_sides(sheet):
    """A GRU's two biases in each other's place."""
    bias = own_kind(sheet, "gru")["bias"]
    if sheet.spoilt == "keras":
        respelt({"bias": bias}, "bias", "keras", "ih hh", "hh ih")
    else:
        ((names, axes),) = bias[sheet.spoilt].items()
        bias[sheet.spoilt] = {names.replace("{side}", "{side ih=hh hh=ih}"): axes}


def exchange_parts(sheet):
    """Query and key of an attention in each other's place."""
    kind = own_kind(sheet, "attend")
    for role in ("weight", "bias"):
        ((name, axes),) = kind[role][sheet.spoilt].items()
        exchanged = {"paddle": ("{part}", "{part q=k k=q v=v}"), "keras": ("q=query k=key", "q=key k=query")}
        name = name.replace(*exchanged.get(sheet.spoilt, ("", "")))
        kind[role][sheet.spoilt] = {name: axes.replace("q k v", "k q v")}


def drop_second_bias(layer):
    """A table that throws the second bias away, where it is to be added to the first."""

    def spoil(sheet):
        own_kind(sheet, layer)["bias_hh"]["fill"] = {"value": 0, "discard": True, "because": "wrongly"}

    return spoil


def set_second_bias(_framework, tensors):
    for name in {"lstm.bias_hh_l0", "lstm.0.cell.bias_hh"} & tensors.keys():
        tensors[name][:] = 0.25
