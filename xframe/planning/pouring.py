"""A plan's steps carried out: every tensor of the target, computed from those of the source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from xframe.checkpoints.model import Outgoing
from xframe.dtypes import as_numbers, convert
from xframe.planning.account import Account
from xframe.planning.plan import Filled, Join, Move, PortPlan, Step, Values
from xframe.strips import Place, Strips, mosaic, strips
from xframe.tensors import STORAGE, Array, TensorSpec

Piece = tuple[Place, Array, Strips]


def outgoing(plan: PortPlan, values: Values, account: Account) -> list[Outgoing]:
    """The target's tensors, each computed strip by strip when it is asked for; ``account`` learns what it cost.

    ``values`` reads a source tensor in storage dtype.
    """
    return [Outgoing(step.target, partial(_strips, step, values, account)) for step in plan.steps]


def computed(step: Step, values: Values) -> Array:
    """One tensor of the target, whole, in storage dtype and C order."""
    return Outgoing(step.target, partial(_strips, step, values, Account())).values()


def carried(step: Move | Join, values: Values, *, folds: bool = False) -> Array:
    """What belongs to the source's tensors, rearranged as they are: gradients, an optimizer's moments.

    ``values`` gives, by a source tensor's name, an array of its shape, all of one dtype, which the result has too. With
    ``folds`` they are float64 weights, and what a move folds is folded.
    """
    arrays = [_folded(piece, values) if folds else values(piece.source.name) for piece in step.pieces]
    if isinstance(step, Move):
        return step.rearrangement.apply(arrays[0])
    pieces = zip(step.pieces, arrays, strict=True)
    tiles = [tile for piece, array in pieces for tile in piece.rearrangement.tiles(array)]
    whole = np.empty(_split_shape(step), tiles[0][1].dtype)
    for place, tile in tiles:
        whole[place] = tile
    return whole.reshape(step.target.shape)


def _split_shape(step: Move | Join) -> list[int]:
    """The target's axes, none of them joined."""
    way = step.pieces[0].rearrangement
    sizes = way.target.known(way.sizes)
    return [sizes[axis] for axis in way.target.axes]


def _strips(step: Step, values: Values, account: Account) -> Iterator[Array]:
    dtype = step.target.dtype
    if isinstance(step, Filled):
        value = convert(np.array([step.fill.value]), "float64", dtype)[0]
        yield from strips(np.broadcast_to(value[0], step.target.shape))
        return
    pieces = [piece for move in step.pieces for piece in _pieces(move, values, account)]
    yield from mosaic(_split_shape(step), STORAGE[dtype], pieces)


def _pieces(move: Move, values: Values, account: Account) -> Iterator[Piece]:
    """The tiles of one way, and what makes strips of them in the target's dtype."""
    source, array = move.source, values(move.source.name)
    if move.folds:
        array, source = _folded(move, values), replace(source, dtype="float64")
    stripped = partial(_passed, source, move.target.dtype, account)
    for place, view in move.rearrangement.tiles(array):
        yield place, view, stripped


def _passed(source: TensorSpec, dtype: str, account: Account, view: Array) -> Iterator[Array]:
    for strip in strips(view):
        yield account.passed(strip, source, dtype)


def _folded(move: Move, values: Values) -> Array:
    """The source's values in float64, with those of what is folded into them."""
    total = _float64(values(move.source.name), move.source)
    for fold in move.folds:
        other = _float64(values(fold.source.name), fold.source)
        total += fold.sign * fold.rearrangement.apply(other)
    return total


def _float64(array: Array, spec: TensorSpec) -> Array:
    """A stored array, or one that is float64 already, as numbers."""
    numbers: Array = array if array.dtype == np.float64 else as_numbers(array, spec.dtype).astype(np.float64)
    return numbers.copy()
