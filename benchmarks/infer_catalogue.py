"""`python -m benchmarks.infer_catalogue [MODEL …] [--out FILE.md]`: the catalogue inferred, its tables hidden.

`infer` is told the two factories of a pair of columns, their arguments and the input, nothing else. What its table
moves is then held to what the catalogue's own moves, tensor by tensor and element by element. Ends with 1 if a tensor
that is called certain is wrong.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.catalogue import sized
from benchmarks.page import Page, models, parser
from xframe.errors import XframeError
from xframe.inferring.result import InferResult
from xframe.mapping import Table, load_table, table_names
from xframe.planning import computed, make_plan
from xframe.report.units import shape
from xframe.tensors import STORAGE, Array, TensorSpec
from xframe.workers import Pool
from xframe.workflows.infer import InferOptions, infer

HEADER = """# Tables inferred for the catalogue

Written by `make infer`; do not edit. `make infer MODELS="vgg16 resnet50"` does some of it anew.

A row is a pair of columns of one architecture. `xframe infer` knew the two factories, their arguments and the size of
the input; the table was hidden. **tensors** is how many of the target's tensors its table fills with what the
catalogue's own table does, element by element. **wrong** are those that it fills otherwise without calling them
doubtful; **declared** those that it calls doubtful or leaves without a counterpart. **rows** of the inferred table,
**runs** of the target to settle it. **seconds** of all of it, frameworks already imported, on two cores, not always
alone.
"""
HEADINGS = "| architecture | input | pair | tensors | wrong | declared | verdict | rows | runs | seconds |"
RULE = "|---|---|---|---:|---:|---:|---|---:|---:|---:|"


def main() -> None:
    """Infer, print as it goes, write after every architecture."""
    arguments = parser("infer_catalogue", __doc__).parse_args()
    wrong = 0
    for model in arguments.models or table_names():
        table, rows = sized(model, arguments.size), []
        for row, mistakes in every_pair(table):
            print(row, flush=True)
            rows.append(row)
            wrong += mistakes
        if arguments.out:
            PAGE.write(arguments.out, table.name, rows)
    print(f"{wrong} tensors wrong with confidence")
    sys.exit(wrong > 0)


def every_pair(table: Table) -> Iterator[tuple[str, int]]:
    """A row for each pair of columns, and how many tensors are wrong with confidence. The workers end with it."""
    with Pool() as pool, TemporaryDirectory() as folder:
        pool.start(*{column.framework.name for column in table.implementations.values()})
        for source, target in combinations(table.implementations, 2):
            out, began = Path(folder) / f"{table.name}.toml", time.perf_counter()
            try:
                found = infer(*(f"{name}={table.implementations[name].build.said}" for name in (source, target)),
                              hidden(table, (source, target), out), pool=pool)  # fmt: skip
            except XframeError as error:
                said = str(error).splitlines()[0]
                yield _row(table, source, target, f"refused: {said}", "", "", "", "", "", ""), 0
                continue
            seconds = time.perf_counter() - began
            right, wrong, declared = held(table, found, (source, target))
            verdict = "" if found.proof is None else found.proof.verdict
            cells = f"{right} of {right + wrong + declared}", str(wrong), str(declared), verdict
            yield _row(table, source, target, *cells, str(found.rows), str(found.runs), f"{seconds:.1f}"), wrong


def hidden(table: Table, columns: tuple[str, str], out: Path) -> InferOptions:
    """What `infer` is told of a table: the input and the factories' arguments."""
    arguments = {name: table.build_options(table.implementations[name]) for name in columns}
    return InferOptions(
        input=table.input, axes=table.input_axes, output_axes=table.output_axes, tokens=table.tokens, out=out,
        set_one=arguments,
    )  # fmt: skip


def held(table: Table, found: InferResult, columns: tuple[str, str]) -> tuple[int, int, int]:
    """Tensors of the target that are right, wrong and declared doubtful."""
    assert found.out is not None
    expected = _filled(table, found, columns)
    doubtful = {spec.name for finding in found.doubtful for spec in finding.pairing.target.specs}
    doubtful |= {spec.name for part in found.target_alone for spec in part.specs}
    given = {} if found.source_alone or found.target_alone else _filled(load_table(str(found.out)), found, columns)
    certain = [name for name in expected if name not in doubtful]
    same = [name for name in certain if name in given and np.array_equal(expected[name], given[name])]
    return len(same), len(certain) - len(same), len(expected) - len(certain)


def _filled(table: Table, found: InferResult, columns: tuple[str, str]) -> dict[str, Array]:
    """What a table puts into each tensor of the target, for a source in which every element is another number."""
    values, start = {}, 1
    for name, spec in found.specs[0].items():
        numbers = np.arange(start, start + spec.numel, dtype=np.float64).reshape(spec.shape)
        values[name], start = numbers.astype(STORAGE[spec.dtype]), start + spec.numel
    plan = make_plan(table, *columns, _kept(table, columns, found.specs[0], values), values.__getitem__,
                     wanted=found.specs[1])  # fmt: skip
    return {step.target.name: computed(step, values.__getitem__) for step in plan.steps}


def _kept(
    table: Table, columns: tuple[str, str], specs: dict[str, TensorSpec], values: dict[str, Array]
) -> dict[str, TensorSpec]:
    """All of the source; what a table would drop holds its fill, and further names what the first one does."""
    source, target = columns
    for entry in table.entries:
        here = entry.names.get(source)
        if here is None or here.name not in values:
            continue
        if here.same_as is not None:
            values[here.name] = values[here.same_as]
        elif target not in entry.names and entry.fill is not None:
            values[here.name] = np.full_like(values[here.name], entry.fill.value)
    return specs


def _row(table: Table, source: str, target: str, *cells: str) -> str:
    return f"| {table.name} | {shape(table.input)} | {source}, {target} | {' | '.join(cells)} |"


def _counts(rows: Sequence[Sequence[str]]) -> str:
    held = [row[3].split(" of ") for row in rows if " of " in row[3]]
    right, total = (sum(int(pair[end]) for pair in held) for end in (0, 1))
    wrong = sum(int(row[4]) for row in rows if row[4].isdecimal())
    pairs = f"{models(rows)} architectures, {len(rows)} pairs"
    return f"{pairs}: {right} of {total} tensors right, {wrong} wrong with confidence."


PAGE = Page(HEADER, HEADINGS, RULE, _counts)

if __name__ == "__main__":
    main()
