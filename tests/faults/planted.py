"""Faults: mapping tables for the small networks in nets/, written anew for each, and what a port must say of it."""

import json
from copy import deepcopy
from dataclasses import dataclass, field

import pytest

FRAMEWORKS = ("paddle", "torch", "keras")
ROUND = (("paddle", "torch"), ("torch", "keras"), ("keras", "paddle"))  # each once as source and once as target
PAIRS = (*ROUND, *(pytest.param(target, source, marks=pytest.mark.slow) for source, target in ROUND))
LAYERS = {
    "conv1": {"kind": "conv2d"},
    "bn1": {"kind": "batch_norm"},
    "conv2": {"kind": "conv2d"},
    "bn2": {"kind": "batch_norm"},
    "conv3": {"kind": "conv2d"},
    "dense1": {"kind": "linear_after_flatten", "sizes": {"c": 4, "h": 4, "w": 4}},
    "square": {"kind": "linear"},
    "dense2": {"kind": "linear"},
}


@dataclass
class Sheet:
    """A table for two different frameworks, free to be spoilt before it is written.

    ``knobs`` are options of the factory of the column ``at``, "source", "target" or "both"; the other stays right.
    """

    source: str
    target: str
    knobs: dict = field(default_factory=dict)
    at: str = "target"
    kinds: dict = field(default_factory=dict)
    rows: dict = field(default_factory=lambda: deepcopy(LAYERS))

    def name(self, layer, target_name):
        """Let the target column call ``layer`` by another name."""
        self.rows[layer][self.target] = target_name

    def spoil(self, layer, kind, **forms):
        """Give ``layer`` a kind of the table's own: ``forms`` are its tensors, each by framework name and axes."""
        self.kinds[kind] = {"summary": "wrong", **forms}
        self.rows[layer]["kind"] = kind

    def write(self, path):
        columns = {}
        for end, framework in (("source", self.source), ("target", self.target)):
            columns[framework] = {"build": f"nets.in_{framework}:small"}
            if self.at in (end, "both") and self.knobs:
                columns[framework]["options"] = list(self.knobs)
        parts = ['summary = "small"', "input = [1, 16, 16]"]
        parts += [f"{head} = {inline(value)}" for head, value in (("options", self.knobs), ("kinds", self.kinds))]
        parts.append(f"implementations = {inline(columns)}")
        for layer, row in self.rows.items():
            cells = {self.source: layer, self.target: layer, **row}
            parts += ["[[layers]]", *(f"{json.dumps(key)} = {inline(value)}" for key, value in cells.items())]
        path.write_text("\n".join(parts) + "\n", encoding="utf-8")
        return path


def inline(value):
    """A value as TOML writes it on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {inline(held)}" for key, held in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)


def assert_different_at(layer, result):
    """``layer`` is the first diverging one as both sides call it, or (source, target); None: only behind the last."""
    layer = layer or "output"
    expected = (layer, layer) if isinstance(layer, str) else layer
    found = result.to_json()["first_divergence"]
    assert (result.verdict, result.exit_code, result.out) == ("different", 1, None)
    assert (found["source_name"], found["target_name"]) == expected
    assert not result.proof.float64.max_rel <= 1e-9
