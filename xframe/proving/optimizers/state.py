"""An optimizer's state between its framework's file, roles and tensors, and another framework's convention.

Moments move as their tensors do. A momentum's buffer also changes what it holds: torch and paddle keep b of p ← p − ηb,
keras −ηb, and RMSprop of keras and paddle ηb.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from xframe import checkpoints
from xframe.checkpoints.budget import AMPLE, Budget
from xframe.checkpoints.keras.weights import optimizer_variables
from xframe.checkpoints.model import Checkpoint
from xframe.dtypes import as_numbers
from xframe.errors import CheckpointError
from xframe.planning import PortPlan, carried
from xframe.proving.optimizers.rules import Rule
from xframe.proving.training.sides import Arrays, OptimizerState, TrainingSide
from xframe.tensors import Array

ENDINGS = {"paddle": ".pdopt", "torch": ".pt", "keras": ".keras", "keras on torch": ".keras"}
_COUNTED = re.compile(r"_\d+$")  # paddle's last number tells accumulators of several optimizers apart
_MOST = 4
_POWER = 1e-3  # how far β^(t+1), multiplied up in float32, may be from a whole t


def read_state(path: Path, end: TrainingSide, budget: Budget = AMPLE) -> OptimizerState:
    """The state in a file of the side's own framework, in float64. Nothing in it is executed.

    Raises CheckpointError for a file that is not its optimizer's of this model: what is missing, and what is too much.
    """
    held = _tensors(path, end, budget)
    keys = [(role, tensor, _plain(key, end)) for role, tensor, key in end.optimizer_keys()]
    _expect_names(path, end, held, keys)
    found: dict[str, Arrays] = {}
    for role, tensor, key in keys:
        if role not in ("", "step"):
            found.setdefault(role, {})[tensor] = _values(path, held, key, end.start[tensor].shape)
    steps = {_step(path, end, held, key) for role, _, key in keys if role == "step"}
    if len(steps) > 1:
        raise CheckpointError(f"{path}: expected every tensor after as many steps; found {sorted(steps)}.")
    return OptimizerState(next(iter(steps), 0), found)


def _tensors(path: Path, end: TrainingSide, budget: Budget) -> dict[str, tuple[str, Checkpoint]]:
    """By plain name, the name in the file and the file."""
    checkpoint = optimizer_variables(path, budget) if path.suffix == ".keras" else checkpoints.read(path, budget)
    return {_plain(name, end): (name, checkpoint) for name in checkpoint.tensors}


def _plain(name: str, end: TrainingSide) -> str:
    return _COUNTED.sub("", name) if end.framework == "paddle" else name


def _expect_names(
    path: Path, end: TrainingSide, held: Mapping[str, object], keys: Sequence[tuple[str, str, str]]
) -> None:
    wanted = {key for role, _, key in keys if role}
    missing = [f"{role} of {tensor} ('{key}')" for role, tensor, key in keys if role and key not in held]
    unknown = sorted(held.keys() - {key for *_, key in keys})
    if missing or unknown:
        share = len(wanted & held.keys())
        told = f"missing: {_few(missing)}" if missing else ""
        told += f"{'; ' if told and unknown else ''}not known: {_few(unknown)}" if unknown else ""
        raise CheckpointError(
            f"{path}: expected the state of '{end.optimizer.name}' of {end.side.implementation.name}'s model, "
            f"{len(wanted)} values; found {len(held)}, {share} of them expected; {told}. Try: --optimizer with the "
            f"optimizer that was trained with, or the state that was saved with these weights."
        )


def _values(path: Path, held: Mapping[str, tuple[str, Checkpoint]], key: str, shape: tuple[int, ...]) -> Array:
    name, checkpoint = held[key]
    tensor = checkpoint.tensors[name]
    if tensor.spec.shape != shape:
        raise CheckpointError(
            f"{path}: '{name}' was expected to have the shape of its tensor, {list(shape)}; found "
            f"{list(tensor.spec.shape)}. Try: the state that was saved with these weights."
        )
    values = as_numbers(tensor.array(), tensor.spec.dtype).astype(np.float64)
    if not np.isfinite(values).all():
        raise CheckpointError(f"{path}: '{name}' holds NaN or Inf; no training goes on from there.")
    return values


def _step(path: Path, end: TrainingSide, held: Mapping[str, tuple[str, Checkpoint]], key: str) -> int:
    """How many steps were done. Paddle does not count them, but keeps β₂ to the power of that number plus one."""
    name, checkpoint = held[key]
    array = checkpoint.tensors[name].array()
    value = float(array.reshape(-1)[0]) if array.size == 1 else math.nan
    steps = value
    if end.framework == "paddle":
        steps = math.log(value) / math.log(end.optimizer.betas[1]) - 1 if 0 < value < 1 else math.nan
    if not math.isfinite(steps) or steps < 0 or abs(steps - round(steps)) > _POWER * max(1.0, steps):
        raise CheckpointError(
            f"{path}: '{name}' was expected to tell the number of steps with betas "
            f"{':'.join(map(str, end.optimizer.betas))}; found {value:g}. Try: --optimizer with its betas."
        )
    return round(steps)


def converted(state: OptimizerState, plan: PortPlan, rules: tuple[Rule, Rule]) -> OptimizerState:
    """The source's state as the target's, in float64: rearranged by the plan, and in the target's convention."""
    factor = rules[1].factor / rules[0].factor
    held: dict[str, Arrays] = {}
    for role, arrays in state.held.items():
        moved = {
            move.target.name: carried(move, arrays.__getitem__)
            for move in plan.moves
            if all(piece.source.name in arrays for piece in move.pieces)
        }
        held[role] = {name: array * factor if role == "momentum" else array for name, array in moved.items()}
    return OptimizerState(state.step, held)


def rounded(state: OptimizerState, dtype: str) -> OptimizerState:
    """The state as a file of ``dtype`` can hold it, in float64."""
    return OptimizerState(
        state.step,
        {
            role: {name: array.astype(dtype).astype(np.float64) for name, array in arrays.items()}
            for role, arrays in state.held.items()
        },
    )


def first_difference(expected: OptimizerState, found: OptimizerState, *, counts: bool = True) -> str:
    """What is not the same, bit for bit, in words; empty where all is. ``counts``: the steps too."""
    if counts and expected.step != found.step:
        return f"{found.step} steps instead of {expected.step}"
    for role, arrays in expected.held.items():
        theirs = found.held.get(role, {})
        for name, array in arrays.items():
            if name not in theirs or not np.array_equal(array, theirs[name]):
                return f"{role} of {name}"
    return ""


def _few(names: Sequence[str]) -> str:
    return f"{', '.join(names[:_MOST])}{f' and {len(names) - _MOST} more' if len(names) > _MOST else ''}"
