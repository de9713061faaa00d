"""Record a golden: one implementation is set, read back, and run twice. What proves nothing is not recorded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xframe.errors import ModelError, PlanError
from xframe.files import reader
from xframe.planning import make_plan
from xframe.proving import oddities
from xframe.proving.determinism import nondeterminism
from xframe.proving.layer_diff import tapped
from xframe.proving.proof import load_source
from xframe.proving.sides import Side
from xframe.tensors import Array
from xframe.testing.goldens import Golden, Output, Weight, concerns, options_of, short_digest
from xframe.testing.gradients import gradient_sketches
from xframe.testing.passage import DTYPE, Subject, passage
from xframe.workers import Pool


def record(subject: Subject, column: str, pool: Pool, *, gradients: bool = False) -> Golden:
    """What ``column`` computes of ``subject``.

    Raises ModelError for a model that does not give the same twice, whose outputs are the same for every input, or hold
    NaN or Inf; PlanError and the others of xframe.errors where it cannot be set.
    """
    table, probe = subject.table, subject.probe()
    side = Side(pool, table, table.implementation(column), "golden", DTYPE)
    held = subject.held(column, side.specs, pool)
    specs = {name: tensor.spec for name, tensor in held.tensors.items()}
    try:
        make_plan(table, column, column, specs, reader(held), wanted=side.specs, dtype=DTYPE)  # every problem at once
    except PlanError as error:
        raise oddities.explained(error, (side,), probe) from None
    load_source(side, held, pool, DTYPE)()
    found = nondeterminism(side, probe, tapped(side))
    if found is not None:
        raise ModelError(f"No golden can be recorded of {column}: {found.causes[0].detail}")
    ran = passage(side, probe)
    _check_outputs(column, ran.outputs)
    flown = gradient_sketches(side, column, specs, probe=probe, ran=ran, seed=subject.seed) if gradients else None
    golden = Golden(
        model=table.name,
        column=column,
        seed=subject.seed,
        options=options_of(table, column),
        weights=None if subject.weights is None else subject.weights.name,
        input=None if subject.input is None else subject.input.name,
        probe=short_digest(probe),
        tensors={n: Weight(spec=t.spec, digest=short_digest(t.array())) for n, t in held.tensors.items()},
        concerns=concerns(table, column),
        outputs=tuple(map(Output.of, ran.outputs)),
        calls=ran.calls,
        gradients=flown,
        attributes={layer: own for layer, own in side.attributes().items() if layer in tapped(side)},
        versions=side.versions,
    )
    side.release()
    return golden


def _check_outputs(column: str, outputs: Sequence[Array]) -> None:
    if not all(np.isfinite(output).all() for output in outputs):
        raise ModelError(f"No golden can be recorded of {column}: its outputs hold NaN or Inf, which prove nothing.")
    if all(len(output) > 1 and bool(np.all(output == output[:1])) for output in outputs):
        raise ModelError(
            f"No golden can be recorded of {column}: its outputs are the same for every input, so they prove nothing. "
            f"Try: input=, with an input of your own."
        )
