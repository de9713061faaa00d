"""docs/catalogue.md: a section an architecture, a row an ordered pair."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

from xframe.mapping import Table
from xframe.report.units import shape

HEADER = """# The catalogue

Written by `make catalogue`; do not edit. `make catalogue MODELS="vgg16 resnet50" SIZE=224` does some of it anew.

A row is one ordered pair: random weights, in which every tensor differs from every other, ported from the first column
to the second, loaded, read back, run on both sides at the input that stands above it, and ported back. **float64** and
**float32** are the largest differences of the outputs, relative to the largest output; float64 decides: `equivalent`
means at most 1e-9. **exact** says that the way back gave the digests it began with. **seconds** are of the port with
its proof, frameworks already imported, on two cores, some of them while others worked there too; **MB** sums the
largest resident sets of the command and both workers meanwhile. [Layers and gradients](catalogue-layers.md) of the same
pairs are held against each other too.
"""
HEADINGS = "| source | target | verdict | float64 | float32 | tensors | exact | seconds | MB |"
RULE = "|---|---|---|---:|---:|---:|---|---:|---:|"


def section(table: Table, rows: Sequence[str]) -> str:
    """One architecture, and the input that it ran on."""
    said = f"{table.summary}. Input {shape(table.input)}."
    return "\n".join([f"## {table.name}", "", said, "", HEADINGS, RULE, *rows])


def write(path: Path, anew: str) -> None:
    """Put one section into the document at ``path``, in place of the one of that name; all others stay."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    sections = {_name(part): part for part in (f"## {part.rstrip()}" for part in before.split("\n## ")[1:])}
    sections[_name(anew)] = anew
    path.write_text(document([sections[name] for name in sorted(sections)]), encoding="utf-8")


def document(sections: Sequence[str]) -> str:
    """All sections under one heading, with how many pairs there are and how many hold."""
    lines = [line for part in sections for line in part.splitlines()]
    pairs = [line for line in lines if line.startswith("| ") and line != HEADINGS]
    held = sum("| equivalent |" in pair and "| yes |" in pair for pair in pairs)
    counts = f"{len(sections)} architectures, {len(pairs)} ordered pairs, {held} of them equivalent and exact"
    machine = platform.processor() or platform.machine()
    return "\n\n".join([HEADER.rstrip(), f"{counts} ({machine}).", *sections]) + "\n"


def _name(part: str) -> str:
    return part.partition("\n")[0].removeprefix("## ")
