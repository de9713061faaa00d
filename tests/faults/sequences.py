"""Mapping tables for the networks over token ids in nets/, free to be spoilt before they are written."""

import json
import tomllib
from copy import deepcopy
from dataclasses import dataclass, field

from planted import inline

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


@dataclass
class SequenceSheet:
    """A table for some frameworks. ``knobs`` are options of the factory of the framework ``at``."""

    frameworks: tuple = ("paddle", "torch", "keras")
    knobs: dict = field(default_factory=dict)
    at: str = ""
    rows: dict = field(default_factory=lambda: deepcopy(ROWS))
    kinds: dict = field(default_factory=dict)

    def kind(self, layer):
        """The kind of ``layer`` as kinds.toml writes it, to be changed for that layer alone."""
        known = tomllib.loads((tables_folder() / "kinds.toml").read_text(encoding="utf-8"))["kinds"]
        own = known[self.rows[layer]["kind"]]
        self.rows[layer]["kind"] = f"{self.rows[layer]['kind']}_spoilt"
        return self.kinds.setdefault(self.rows[layer]["kind"], own)

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
