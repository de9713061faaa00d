"""`python -m benchmarks.layer_catalogue [MODEL …] [--out FILE.md]`: no false alarm, in any layer of any architecture.

Every pair of columns is held against each other with random weights, layer by layer, and backwards where both return
the same. Ends with 1 if anything is said to differ.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from itertools import combinations

from benchmarks.catalogue import sized
from benchmarks.page import Page, models, parser
from xframe.errors import XframeError
from xframe.mapping import Table, table_names
from xframe.proving.diff_result import DiffResult
from xframe.report.units import figure, shape
from xframe.workers import Pool
from xframe.workflows.diff import DiffOptions, diff

HEADER = """# Layers and gradients of the catalogue

Written by `make layers`; do not edit. `make layers MODELS="vgg16 resnet50"` does some of it anew.

A row is a pair of columns with the same random weights, run in float64 on the input that stands beside it. **outputs**
is their largest difference, relative to the largest output. **calls** of mapped layers are compared, each fed what its
counterpart read: **by themselves** is the largest relative difference among them. **gradients** is the largest among
those of every parameter and of the input; empty where one side returns probabilities and the other logits. Everything
up to 1e-9 agrees. **seconds** are of the diff, frameworks already imported, on two cores, not always alone.
"""
HEADINGS = "| architecture | input | pair | verdict | outputs | calls | by themselves | gradients | seconds |"
RULE = "|---|---|---|---|---:|---:|---:|---:|---:|"


def main() -> None:
    """Compare, print as it goes, write after every architecture."""
    arguments = parser("layer_catalogue", __doc__).parse_args()
    alarms = 0
    for model in arguments.models or table_names():
        table, rows = sized(model, arguments.size), []
        for row, agrees in every_pair(table):
            print(row, flush=True)
            rows.append(row)
            alarms += not agrees
        if arguments.out:
            PAGE.write(arguments.out, table.name, rows)
    print(f"{alarms} false alarms")
    sys.exit(alarms > 0)


def every_pair(table: Table) -> Iterator[tuple[str, bool]]:
    """A row for each pair of columns, and whether all of it agrees. The workers end with it."""
    with Pool() as pool:
        for source, target in combinations(table.implementations, 2):
            ends = [table.implementation(name) for name in (source, target)]
            options = DiffOptions(gradients=ends[0].output == ends[1].output, set=table.options)
            began = time.perf_counter()
            try:
                found = diff(str(table.file), source, target, options, pool=pool)
            except XframeError as error:
                said = str(error).splitlines()[0]
                yield _row(table, source, target, f"refused: {said}", "", "", "", "", ""), False
                continue
            yield _found(table, found, time.perf_counter() - began), bool(found)


def _found(table: Table, found: DiffResult, seconds: float) -> str:
    own = max((call.own.max_rel for call in found.layers.calls if call.own is not None), default=0.0)
    gradients = "" if found.gradients is None else figure(found.gradients.worst.comparison.max_rel)
    outputs, calls = figure(found.outputs.max_rel), str(len(found.layers.calls))
    cells = found.verdict, outputs, calls, figure(own), gradients, f"{seconds:.1f}"
    return _row(table, found.plan.source, found.plan.target, *cells)


def _row(table: Table, source: str, target: str, *cells: str) -> str:
    return f"| {table.name} | {shape(table.input)} | {source}, {target} | {' | '.join(cells)} |"


def _counts(rows: Sequence[Sequence[str]]) -> str:
    held = sum("equivalent" in row for row in rows)
    return f"{models(rows)} architectures, {len(rows)} pairs, {held} of them equivalent in every layer and gradient."


PAGE = Page(HEADER, HEADINGS, RULE, _counts)

if __name__ == "__main__":
    main()
