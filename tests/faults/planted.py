"""Faults: mapping tables for the small networks in nets/, written anew for each, free to be spoilt."""

import json
from copy import deepcopy
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

FRAMEWORKS = ("paddle", "torch", "keras")
ROUND = (("paddle", "torch"), ("torch", "keras"), ("keras", "paddle"))  # each once as source and once as target
SIX = (*ROUND, *((target, source) for source, target in ROUND))
PAIRS = (*ROUND, *(pytest.param(*pair, marks=pytest.mark.slow) for pair in SIX[3:]))
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

    ``knobs`` are turned in the column ``at``, which is "source" or "target"; ``base`` in both, before.
    """

    source: str
    target: str
    knobs: dict = field(default_factory=dict)
    at: str = "target"
    base: dict = field(default_factory=dict)
    kinds: dict = field(default_factory=dict)
    rows: dict = field(default_factory=lambda: deepcopy(LAYERS))
    reads: ClassVar = ("input = [1, 16, 16]",)

    def __post_init__(self):
        """Rows for the layers that ``base`` adds or changes."""
        if self.base.get("head") == "global":
            self.rows["dense1"] = {"kind": "linear"}
        if self.base.get("mixing") == "depthwise":
            self.rows["conv3"] = {"kind": "depthwise_conv2d", "sizes": {"out": 4, "multiplier": 1}}
        if self.base.get("spare"):
            self.rows["spare"] = {"kind": "linear"}
        if self.base.get("norm"):
            self.rows["bn3"] = {"kind": "batch_norm"}

    @property
    def ends(self):
        return self.source, self.target

    @property
    def spoilt(self):
        """The framework of the column ``at``."""
        return getattr(self, self.at)

    def name(self, layer, name, at="target"):
        """Let one column call ``layer`` by another name."""
        self.rows[layer][getattr(self, at)] = name

    def spoil(self, layer, kind, **forms):
        """Give ``layer`` a kind of the table's own: ``forms`` are its tensors, each by framework name and axes."""
        self.kinds[kind] = {"summary": "wrong", **forms}
        self.rows[layer]["kind"] = kind

    @property
    def options(self):
        return {"base": json.dumps(self.base), **self.knobs}

    def column(self, end, framework):
        return {"build": f"nets.in_{framework}:small", "options": ["base", *(self.knobs if end == self.at else ())]}

    def write(self, path):
        columns = {}
        for end, framework in (("source", self.source), ("target", self.target)):
            columns[framework] = self.column(end, framework)
        options = self.options
        parts = ['summary = "small"', *self.reads]
        parts += [f"{head} = {inline(value)}" for head, value in (("options", options), ("kinds", self.kinds))]
        parts.append(f"implementations = {inline(columns)}")
        for layer, row in self.rows.items():
            cells = {self.source: layer, self.target: layer, **row}
            parts += ["[[layers]]", *(f"{json.dumps(key)} = {inline(value)}" for key, value in cells.items())]
        path.write_text("\n".join(parts) + "\n", encoding="utf-8")
        return path


class TrainedSheet(Sheet):
    """A table for the networks that training faults are planted in; ``at`` may be "both"."""

    @property
    def options(self):
        return self.knobs

    def column(self, end, framework):
        knobs = list(self.knobs) if self.at in (end, "both") else []
        return {"build": f"nets.trained_{framework}:small", **({"options": knobs} if knobs else {})}


def inline(value):
    """A value as TOML writes it on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {inline(held)}" for key, held in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)


# ── what the layers' tensors are called, and how their axes lie ───────────────────────────────────────────────────────

NORM = {
    "paddle": ("weight", "bias", "_mean", "_variance"),
    "torch": ("weight", "bias", "running_mean", "running_var"),
    "keras": ("gamma", "beta", "moving_mean", "moving_variance"),
}
SCALE, SHIFT, MEAN, VARIANCE = range(4)


def weight(framework):
    return "kernel" if framework == "keras" else "weight"


def tensor(framework, layer, name):
    return f"{layer}/{name}" if framework == "keras" else f"{layer}.{name}"


def depthwise(framework, axes):
    """The same of a kernel for each channel by itself, which Keras keeps as kh kw c m."""
    names = axes.split()
    return " ".join((*names[2:], *names[:2])) if framework == "keras" else axes


def native(framework, axes):
    """Axes written as torch has them for a kernel, and as paddle has them for a matrix, in a framework's own order."""
    names = axes.split()
    if len(names) == 2:
        return " ".join(names[::-1] if framework == "torch" else names)
    return " ".join((*names[2:], names[1], names[0])) if framework == "keras" else axes


def counter(source, target):
    """torch's num_batches_tracked, as kinds.toml has it; the other frameworks lack it."""
    fill = {"value": 0, "discard": True, "because": "a counter"}
    forms = {"torch": {"num_batches_tracked": ""}} if "torch" in (source, target) else {"none": {"none": ""}}
    return {"dtype": "int64", "fill": fill, **forms}


def assert_different_at(layer, result):
    """``layer`` is the first diverging one as both sides call it, or (source, target); None: only behind the last."""
    layer = layer or "output"
    expected = (layer, layer) if isinstance(layer, str) else layer
    found = result.to_json()["first_divergence"]
    assert (result.verdict, result.exit_code, result.out) == ("different", 1, None)
    assert (found["source_name"], found["target_name"]) == expected
    assert not result.proof.float64.max_rel <= 1e-9
