"""The optimizer's state beside the weights: read, carried over, written by the target's framework, trained on.

The proof is training: from the state that was read and from the one that was carried over, both sides go on together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xframe.checkpoints.budget import AMPLE, Budget
from xframe.checkpoints.model import Checkpoint
from xframe.comparison import Tolerance
from xframe.digests import digest
from xframe.errors import ModelError, UsageError
from xframe.mapping import Implementation, Table
from xframe.planning import PortPlan
from xframe.proving.optimizers.result import OptimizerPort
from xframe.proving.optimizers.rules import form_of, rule_of
from xframe.proving.optimizers.spec import Optimizer, parse_optimizer
from xframe.proving.optimizers.state import ENDINGS, converted, first_difference, read_state, rounded
from xframe.proving.proof import load_planned
from xframe.proving.sides import Side
from xframe.proving.training.sides import Batch, OptimizerState, TrainingSide, draw_batches
from xframe.proving.training.start import start_both
from xframe.proving.training.train import train
from xframe.workers import Pool

STEPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerOptions:
    """Which optimizer; its ``state`` in the source's own file, None to have the source train a few steps for one.

    ``out`` is where the target's goes: .pdopt, .pt or .keras.
    """

    optimizer: Optimizer
    state: Path | None = None
    out: Path | None = None

    def written(self, weights: Path, end: Implementation) -> Path:
        """Where the state goes: beside the weights unless said. Raises UsageError for another ending."""
        form_of(end.framework.name, self.optimizer)
        ending = ENDINGS[end.framework.name]
        out = self.out or weights.with_name(f"{weights.name.partition('.')[0]}.optimizer{ending}")
        if out.suffix != ending:
            raise UsageError(
                f"{out}: {end.framework.name} keeps an optimizer's state in a {ending} file. Try: {ending}."
            )
        return out


def optimizer_options(text: str | None, state: Path | None, out: Path | None) -> OptimizerOptions | None:
    """From the command's own words; None where no state is carried. Raises UsageError."""
    if text is None:
        if state is not None or out is not None:
            raise UsageError("A state is of an optimizer, and none is named. Try: --optimizer adam.")
        return None
    return OptimizerOptions(optimizer=parse_optimizer(text), state=state, out=out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """What it takes to carry a state: both ends, the weights that it belongs to, and the plan of their port."""

    pool: Pool
    table: Table
    ends: tuple[Implementation, Implementation]
    checkpoint: Checkpoint
    plan: PortPlan
    dtype: str
    seed: int
    tolerance: Tolerance
    budget: Budget = AMPLE

    def carry(self, asked: OptimizerOptions, path: Path, out: Path) -> OptimizerPort:
        """Write the target's state to ``path``, which will be ``out``, and train both sides on.

        Raises CheckpointError for a state that does not fit, ModelError where the target's framework reads another one
        back than was written.
        """
        source, target, plan = start_both(self.pool, self.table, self.ends, self.checkpoint)
        try:
            ours, theirs = TrainingSide(source, asked.optimizer), TrainingSide(target, asked.optimizer)
            batches = draw_batches(source, steps=2 * STEPS, seed=self.seed)
            state = self._state(asked, ours, batches[STEPS:])
            rules = rule_of(ours.framework, asked.optimizer), rule_of(theirs.framework, asked.optimizer)
            moved = converted(state, plan, rules)
            written = self._write(asked.optimizer, moved, path)
            training = train(
                source,
                target,
                plan,
                batches[:STEPS],
                asked.optimizer,
                tolerance=self.tolerance,
                states=(state, moved),
            )
        finally:
            source.release()
            target.release()
        return OptimizerPort(
            optimizer=asked.optimizer,
            state=f"{STEPS} steps of training" if asked.state is None else str(asked.state),
            step=state.step,
            values=sum(map(len, moved.held.values())),
            rounding=_rounding(moved, written),
            training=training,
            out=out,
            digests=_digests(written, self.dtype),
        )

    def _state(self, asked: OptimizerOptions, end: TrainingSide, batches: tuple[Batch, ...]) -> OptimizerState:
        end.restart()
        if asked.state is not None:
            return read_state(asked.state, end, self.budget)
        for batch in batches:
            end.step(batch)()
        with end.side.scratch():
            state = rounded(end.slots(), self.dtype)
        end.set_tensors({})  # the weights that are ported, not those that the steps led to
        return state

    def _write(self, optimizer: Optimizer, moved: OptimizerState, path: Path) -> OptimizerState:
        """By a model of the target with the ported weights; what its framework reads back."""
        side = Side(self.pool, self.table, self.ends[1], "optimizer", self.dtype)
        try:
            load_planned(side, self.plan, self.checkpoint, self.pool)()
            end = TrainingSide(side, optimizer, self.dtype)
            end.restart(moved)
            end.save(path).result()
            end.restart()
            end.load(path).result()
            found, counts = end.slots(), any(role == "step" for role, *_ in end.optimizer_keys())
            if wrong := first_difference(rounded(moved, self.dtype), found, counts=counts):
                raise ModelError(
                    f"{self.ends[1].name} wrote its optimizer's state and read another one back: {wrong}. Look at what "
                    f"the model's parameters are called, and whether two share a name."
                )
            return OptimizerState(moved.step, {role: _copied(arrays) for role, arrays in found.held.items()})
        finally:
            side.release()


def _copied(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.array(array) for name, array in arrays.items()}


def _rounding(exact: OptimizerState, written: OptimizerState) -> float:
    """The largest change of a value over the largest of its tensor."""
    worst = 0.0
    for role, arrays in exact.held.items():
        for name, array in arrays.items():
            largest = float(np.abs(array).max(initial=0.0))
            if largest:
                worst = max(worst, float(np.abs(array - written.held[role][name]).max()) / largest)
    return worst


def _digests(state: OptimizerState, dtype: str) -> dict[str, str]:
    held = state.held.items()
    return {f"{role} {name}": digest(array.astype(dtype)) for role, arrays in held for name, array in arrays.items()}
