"""`python -m benchmarks.onnx_catalogue [MODEL …] [--out FILE.md]`: every architecture through every exporter.

The columns that are called as their framework is are given the same random weights, exported, and held against their
models and each other. Ends with 1 if an exporter fails, or a graph is not its model.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.catalogue import sized
from benchmarks.page import Page, models, parser
from xframe.mapping import Table, load_table, table_names
from xframe.proving.onnx.parity import Parity
from xframe.proving.onnx.result import OnnxResult
from xframe.report.onnx import brief_weights
from xframe.report.units import figure, shape, size
from xframe.workers import Pool
from xframe.workflows.onnx import OnnxOptions, onnx

HEADER = """# The catalogue through its exporters

Written by `make onnx`; do not edit. `make onnx MODELS="vgg16 resnet50"` does some of it anew.

A row is one implementation, exported by its framework's own exporter with the weights that all have, and held to the
model that it came from, on two images of the size that stands there and on the first alone. **float64**: the graph
computed node by node in float64 by onnx's reference evaluator, relative to the largest output; folded batch norms are
computed again without the exporter's rounding. **float32**: the worst of four runs in onnxruntime, with every
optimisation and with none, on both batches, and what it may be: ten times the model's own rounding and 16 units in the
last place. **initialisers**: which tensors of the model are in the graph, and how. **all agree**: the models and all
exports of the architecture, every pair. **seconds** of exporting and holding, all exporters at work at the same time on
two cores. `onnx.checker`, with strict shape inference, passes every graph unless its row says otherwise.
"""
HEADINGS = (
    "| architecture | input | export | by | opset | float64 | float32 | may be | initialisers | size | all agree "
    "| seconds | blame |"
)
RULE = "|---|---|---|---|---:|---:|---:|---:|---|---:|---|---:|---|"
FAULTS = "## Where an exporter fails"


def main() -> None:
    """Export, print as it goes, write after every architecture."""
    asked = parser("onnx_catalogue", __doc__)
    asked.add_argument(
        "--set", action="append", default=[], metavar="NAME=N", help="a whole number for one of the tables' options"
    )
    arguments = asked.parse_args()
    wrong = 0
    for model in arguments.models or table_names():
        chosen = {name: int(value) for name, _, value in (said.partition("=") for said in arguments.set)}
        table = load_table(model, {**sized(model, arguments.size).options, **chosen})
        with Pool() as pool:  # what an architecture took must not be the next one's
            found = onnx(str(table.file), (), OnnxOptions(set=table.options), pool=pool)
        rows = _rows(table, found, ", ".join((shape(table.input), *arguments.set)))
        print("\n".join(rows), flush=True)
        wrong += found.exit_code
        if arguments.out:
            PAGE.write(arguments.out, table.name, rows)
    print(f"{wrong} architectures with something to say")
    sys.exit(wrong > 0)


def _rows(table: Table, found: OnnxResult, given: str) -> list[str]:
    """``given`` is the input, and options that are not as the table has them."""
    agree = "yes" if all(found.agreements) else "**no**"
    parities = {parity.implementation: parity for parity in found.parities}
    return [
        " | ".join((f"| {table.name} | {given} | {name}", *cells)) + " |"
        for name in found.implementations
        for cells in [_cells(parities[name], agree) if name in parities else _failed(found.failed[name], agree)]
    ]


def _cells(parity: Parity, agree: str) -> list[str]:
    export, blame = parity.export, parity.blame
    said = "" if blame is None else f"**{blame.party}**: {blame.place or blame.because}"
    said += "".join(f"; {cause.cause}" for cause in (blame.causes if blame is not None else ()))
    return [
        export.exporter, str(export.facts.opset), "" if parity.float64 is None else figure(parity.float64.max_rel),
        figure(parity.comparison.max_abs), figure(parity.bound), brief_weights(parity), size(export.facts.nbytes),
        agree,
        f"{export.seconds + parity.seconds:.0f}", said or parity.unproven.partition("\n")[0],
    ]  # fmt: skip


def _failed(reason: str, agree: str) -> list[str]:
    exporter = reason.partition(" cannot export")[0]
    return [exporter, "", "", "", "", "", "", agree, "", f"**fails**: {reason.partition(': ')[2].split('. Try')[0]}"]


def _counts(rows: Sequence[Sequence[str]]) -> str:
    good = sum(not row[-1] for row in rows)
    return f"{models(rows)} architectures, {len(rows)} exports, {good} of them hold."


PAGE = Page(HEADER, HEADINGS, RULE, _counts, FAULTS)

if __name__ == "__main__":
    main()
