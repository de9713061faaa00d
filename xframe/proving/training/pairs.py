"""The tensors of two sides that are compared after a training step: parameters and running statistics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from xframe.comparison import Comparison, Tolerance, compare
from xframe.errors import UsageError
from xframe.planning import Join, Move, PortPlan, carried
from xframe.proving.optimizers.rules import single
from xframe.proving.training.sides import Arrays, Batch, TrainingSide
from xframe.tensors import Array

ROUNDING = 2.0**-52
_UNBIASED = ("torch",)  # divides by N − 1: at::native::batch_norm_cpu_update_stats; paddle and keras divide by N
_SINGLE = ("paddle",)  # hands momentum and epsilon to its operator as float32 attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """A batch norm that keeps running statistics, on one side: its name, and the share of a new batch in them.

    ``said`` is the share as the layer has it, ``share`` as it is computed with; None where the class is not known.
    """

    layer: str
    said: float | None
    share: float | None
    unbiased: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One tensor of the target and what it is in the source.

    ``trained`` says on which sides an optimizer moves it. ``norms`` are the two layers whose running statistic it is,
    ``count`` the values a channel that one batch has there; None and 0 for other tensors.
    """

    move: Move | Join
    trained: tuple[bool, bool]
    norms: tuple[Norm, Norm] | None = None
    count: int = 0

    @property
    def sources(self) -> tuple[str, ...]:
        """The source's tensors that it is: several where the target has them in one."""
        return tuple(dict.fromkeys(piece.source.name for piece in self.move.pieces))

    @property
    def source(self) -> str:
        return ", ".join(self.sources)

    def is_in(self, ours: Mapping[str, object]) -> bool:
        """Whether the source gave something for it."""
        return all(name in ours for name in self.sources)

    def carried(self, ours: Arrays) -> Array:
        """What the source has of it, such as a gradient, as the target lays it out, in float64."""
        return carried(self.move, lambda name: ours[name].astype(np.float64))

    @property
    def target(self) -> str:
        return self.move.target.name

    @property
    def role(self) -> str:
        return self.move.entry.tensor.role

    @property
    def name(self) -> str:
        """Both names, or the one that they share."""
        return self.source if self.source == self.target else f"{self.source} / {self.target}"

    @property
    def factor(self) -> float:
        """What the target's statistic of a batch is the source's times."""
        if self.norms is None or self.role != "variance" or self.norms[0].unbiased == self.norms[1].unbiased:
            return 1.0
        ratio = self.count / (self.count - 1)
        return ratio if self.norms[1].unbiased else 1 / ratio

    @property
    def shares(self) -> tuple[float, float] | None:
        """Shares of a batch in both sides' statistics; None where they cannot be solved for the batch's own."""
        if self.norms is None or not self.norms[0].share or not self.norms[1].share:
            return None
        return self.norms[0].share, self.norms[1].share


def pair_up(source: TrainingSide, target: TrainingSide, plan: PortPlan, batch: Batch) -> tuple[Pair, ...]:
    """Every moved tensor, with what it takes to hold it against its counterpart. Runs the source where it has norms.

    That run rounds its weights to float32: restart both sides behind it. Raises UsageError for moves of other kinds.
    """
    trained = [set(end.side.trainable()) for end in (source, target)]
    norms = [_norms(end) for end in (source, target)]
    ends = [end.side.implementation.name for end in (source, target)]
    named = {}
    for move in plan.moves:
        layers = [move.entry.layer.layer_name(end) for end in ends]
        if move.entry.tensor.role in ("mean", "variance") and layers[0] in norms[0] and layers[1] in norms[1]:
            named[move.target.name] = (norms[0][layers[0]], norms[1][layers[1]])
    counts = _counts(source, batch, {here.layer for here, _ in named.values()})
    pairs = []
    for move in plan.moves:
        both = all(piece.source.name in trained[0] for piece in move.pieces), move.target.name in trained[1]
        ours = named.get(move.target.name)
        count = counts.get(ours[0].layer, 0) if ours else 0
        pairs.append(Pair(move=move, trained=both, norms=ours if count else None, count=count))
    if not any(any(pair.trained) for pair in pairs):
        raise UsageError("No tensor that both sides have is trained: every parameter is frozen. Nothing was proven.")
    return tuple(pairs)


def _norms(end: TrainingSide) -> dict[str, Norm]:
    found = {}
    for layer, held in end.side.attributes().items():
        if held["kind"] == "batch_norm":
            said = held["momentum"]
            share = 1 - single(1 - said) if said is not None and end.framework in _SINGLE else said
            found[layer] = Norm(layer=layer, said=said, share=share, unbiased=end.framework in _UNBIASED)
    return found


def _counts(end: TrainingSide, batch: Batch, layers: Iterable[str]) -> dict[str, int]:
    """Values a channel in a batch, by layer that is called exactly once: of others no statistic can be solved for."""
    wanted = list(layers)
    if not wanted:
        return {}
    calls = end.side.trace(batch.inputs, wanted)()
    names = [call.layer for call in calls]
    size = len(batch.inputs)
    return {call.layer: size * prod(call.read[1:]) for call in calls if names.count(call.layer) == 1}


@dataclass(frozen=True, slots=True)
class Moment:
    """A side's tensors before and after a step."""

    before: Mapping[str, Array]
    after: Mapping[str, Array]


def raw(pair: Pair, here: Arrays, there: Arrays, tolerance: Tolerance) -> Comparison:
    """How far the two tensors are apart, as they stand."""
    return compare(carried(pair.move, here.__getitem__, folds=True), there[pair.target], tolerance)


def solved(pair: Pair, here: Moment, there: Moment, tolerance: Tolerance) -> Comparison:
    """How far the batch's own statistics are apart that both running ones imply, each by its own share and divisor.

    running ← (1 − share) · running + share · batch, so batch = (after − (1 − share) · before) / share.
    """
    assert pair.shares is not None
    ours, theirs = pair.shares
    (move,) = pair.move.pieces  # a running statistic is one tensor everywhere
    batch = _batch(pair.source, here, ours)
    for fold in move.folds:
        batch = batch + fold.sign * fold.rearrangement.apply(here.before[fold.source.name])
    expected = pair.factor * move.rearrangement.apply(batch)
    found = _batch(pair.target, there, theirs)
    largest = max(float(np.abs(side.after[name]).max()) for side, name in ((here, pair.source), (there, pair.target)))
    rounded = Tolerance(atol=tolerance.atol + 8 * ROUNDING * largest / min(ours, theirs), rtol=tolerance.rtol)
    return compare(expected, found, rounded)


def _batch(name: str, side: Moment, share: float) -> Array:
    found: Array = (side.after[name] - (1 - share) * side.before[name]) / share
    return found
