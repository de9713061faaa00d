"""The proof of a port: what was loaded is what was planned, and both sides compute the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from xframe import checkpoints, exchange
from xframe.checkpoints.model import Checkpoint
from xframe.comparison import Comparison, Tolerance, compare_all, same_bits
from xframe.errors import ModelError
from xframe.files import framework_loads, reader
from xframe.planning import PortPlan, Values, computed
from xframe.proving.causes import diagnose_outputs
from xframe.proving.determinism import nondeterminism
from xframe.proving.divergence import Divergence, first_divergence
from xframe.proving.layer_diff import tapped
from xframe.proving.onnx.export import start_export
from xframe.proving.onnx.parity import Native, Parity, hold
from xframe.proving.outputs import BothPrecisions, in_one_form
from xframe.proving.sensitivity import Sensitivity
from xframe.proving.sides import Side
from xframe.proving.verdict import Proof
from xframe.proving.weights import left_out, place_checkpoint
from xframe.tensors import Array, Extent
from xframe.workers import Pool, Reply

Check = Callable[[], None]


class Runs:
    """One side's two forward passes over the probe, under way since this was made, behind its loading.

    float64 comes first: in float32 a framework may round the weights that it holds. ``exact`` is the same side with
    weights that no fold has rounded; its float64 pass then stands for the side's.
    """

    def __init__(self, side: Side, probe: Array, exact: Side | None = None) -> None:
        self.side, self.probe = side, probe
        self.exact = exact or side
        self._stored = side.run(probe, "float64")
        self._float32 = side.run(probe, "float32")
        self._float64 = self.exact.run(probe, "float64") if exact is not None else self._stored

    @property
    def float32(self) -> tuple[Array, ...]:
        return self._float32().arrays

    @property
    def float64(self) -> tuple[Array, ...]:
        return self._float64().arrays

    @property
    def fold_rounding(self) -> float:
        """How far the rounding of folded tensors moves the float64 outputs; 0 where nothing is folded."""
        return compare_all(self.float64, self._stored().arrays, Tolerance()).max_abs

    @property
    def outputs(self) -> BothPrecisions:
        """Both passes, as the side returned them."""
        return BothPrecisions(float64=self.float64, float32=self.float32)


def load_source(side: Side, checkpoint: Checkpoint, pool: Pool, dtype: str | None) -> Check:
    """Have the source set from its checkpoint and read back; the check waits for both.

    The check raises ModelError for the first tensor that is not, bit for bit, the checkpoint's.
    """
    placed = place_checkpoint(pool, checkpoint, dtype, left_out(side, checkpoint))
    loaded, state = side.load(placed), side.state()

    def check() -> None:
        loaded.result()
        read_back = state()
        for name, message in placed:
            _expect_bits(side, name, exchange.get(message), read_back.get(name))

    return check


def load_target(side: Side, path: Path, plan: PortPlan, checkpoint: Checkpoint, pool: Pool) -> Check:
    """Have the target load the written file, with its framework's own loader where it has one, and read it back.

    The check waits for both and raises ModelError for the first tensor that is not, bit for bit, what was planned.
    """
    if framework_loads(path, side.implementation):
        loaded = side.load_file(path)
    else:
        loaded = side.load(place_checkpoint(pool, checkpoints.read(path), None, {}))
    state, values = side.state(), reader(checkpoint)
    return lambda: _check_planned(side, plan, values, loaded, state)


def _check_planned(
    side: Side, plan: PortPlan, values: Values, loaded: Reply, state: Callable[[], dict[str, Extent]]
) -> None:
    loaded.result()
    read_back = state()
    for step in plan.steps:
        _expect_bits(side, step.target.name, computed(step, values), read_back.get(step.target.name))


def _expect_bits(side: Side, name: str, planned: Array, found: Extent | None) -> None:
    if found is None or not same_bits(planned, found.map()):
        what = "has no such tensor" if found is None else "holds other values"
        raise ModelError(
            f"{side.implementation.name} was set from a checked file, but then the model {what} at '{name}'. Its "
            f"loader skips, converts or ties it; look at the model's state dict and loading hooks."
        )


def load_planned(side: Side, plan: PortPlan, checkpoint: Checkpoint, pool: Pool) -> Check:
    """Have the target set with every tensor as computed, through no file; the check waits and reads them back."""
    values = reader(checkpoint)
    arrays = ((step.target.name, computed(step, values), step.target.dtype) for step in plan.steps)
    loaded, state = side.load(pool.put("planned", arrays)), side.state()
    return lambda: _check_planned(side, plan, values, loaded, state)


def prove(
    source: Runs,
    target: Runs,
    plan: PortPlan,
    tolerance: Tolerance,
    *,
    sensitivity: Sensitivity,
    onnx: Pool | None,
) -> Proof:
    """Hold both sides against each other; where they part, find out where first.

    ``sensitivity`` is the source's. ``onnx`` is the pool whose onnxruntime runs an export of either side; None makes no
    exports.
    """
    ends = source.side.implementation, target.side.implementation
    one, other, notes = in_one_form(source.outputs, target.outputs, ends)
    float64 = compare_all(one.float64, other.float64, tolerance)
    divergence = None if float64 else _locate(source, target, plan, tolerance, float64)
    parities = () if onnx is None else _parities(onnx, source, target)
    unproven, seen, unmeasured = _unproven(sensitivity, source, tolerance) if float64 else (None, None, ())
    return Proof(
        float64=float64,
        float32=compare_all(one.float32, other.float32, Tolerance(rtol=np.inf)),
        noise_source=one.noise,
        noise_target=other.noise,
        divergence=divergence,
        parities=parities,
        blind=_blind(one.float64),
        fold_rounding=target.fold_rounding if plan.folds else None,
        unproven=unproven,
        seen=seen,
        notes=(*notes, *unmeasured),
    )


def _unproven(
    sensitivity: Sensitivity, source: Runs, tolerance: Tolerance
) -> tuple[tuple[str, ...] | None, int | None, tuple[str, ...]]:
    """Tensors that the source's outputs cannot see, and how many they do; None, and a note, without gradients."""
    try:
        names = sensitivity.unproven(source.float64, tolerance.rtol)
        return names, len(sensitivity.moved()) - len(names), ()
    except ModelError as error:
        return None, None, (f"which tensors the outputs can see was not measured: {error}",)


def _blind(outputs: Sequence[Array]) -> bool:
    """Whether the outputs are the same for every input of the batch, as behind relus that are all dead."""
    return all(len(output) > 1 and bool(np.all(output == output[:1])) for output in outputs)


def _parities(pool: Pool, *sides: Runs) -> tuple[Parity, ...]:
    """Both exports, written side by side, each held to its model."""
    started = [start_export(pool, runs.side, runs.probe) for runs in sides]
    natives = (Native(side=runs.side, probe=runs.probe, outputs=runs.outputs) for runs in sides)
    return tuple(hold(export(), native) for export, native in zip(started, natives, strict=True))


def _locate(source: Runs, target: Runs, plan: PortPlan, tolerance: Tolerance, outputs: Comparison) -> Divergence:
    """A side that differs from itself, else the first mapped layer that differs, else the outputs behind the last."""
    folded = {drop.entry.layer.names[plan.source] for drop in plan.dropped if drop.folded}
    for runs in (source, target):
        found = nondeterminism(runs.side, runs.probe, tapped(runs.side))
        if found is not None:
            return found
    return first_divergence(source.side, target.exact, source.probe, tolerance, skip=folded) or Divergence(
        layer="output",
        source_name="output",
        target_name="output",
        comparison=outputs,
        causes=diagnose_outputs(source.float64, target.float64, (plan.source, plan.target), tolerance),
    )
