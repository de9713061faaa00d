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


def carried(step: Step, values: Values) -> Array | None:
    """What belongs to the source's tensors, rearranged as they are: gradients, an optimizer's moments.

    ``values`` gives, by a source tensor's name, an array of its shape, all of one dtype, which the result has too. No
    values are folded. None for a tensor that is filled.
    """
    if isinstance(step, Filled):
        return None
    if isinstance(step, Move):
        return step.rearrangement.apply(values(step.source.name))
    tiles = [tile for piece in step.pieces for tile in piece.rearrangement.tiles(values(piece.source.name))]
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
        array, source = _folded(move, array, values), replace(source, dtype="float64")
    stripped = partial(_passed, source, move.target.dtype, account)
    for place, view in move.rearrangement.tiles(array):
        yield place, view, stripped


def _passed(source: TensorSpec, dtype: str, account: Account, view: Array) -> Iterator[Array]:
    for strip in strips(view):
        yield account.passed(strip, source, dtype)


def _folded(move: Move, array: Array, values: Values) -> Array:
    """The source's values in float64, with those of what is folded into them."""
    total: Array = as_numbers(array, move.source.dtype).astype(np.float64)
    for fold in move.folds:
        other = as_numbers(values(fold.source.name), fold.source.dtype).astype(np.float64)
        total += fold.sign * fold.rearrangement.apply(other)
    return total
