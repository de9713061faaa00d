"""Whether two tables move the same tensors the same way, however they are written."""

from typing import NamedTuple

import numpy as np

from xframe import checkpoints
from xframe.mapping import load_table
from xframe.planning import Filled, carried, make_plan


class Way(NamedTuple):
    """What becomes one tensor of the target: where each of its elements comes from, and what is said of it."""

    elements: bytes
    folds: tuple
    words: str


def planned(table, source, target, weights):
    """The plan of the table at that path for a file of weights."""
    held = checkpoints.read(weights).tensors
    specs = {name: tensor.spec for name, tensor in held.items()}
    return make_plan(load_table(str(table)), source, target, specs, lambda name: held[name].array())


def asked(table):
    """What ``xframe infer`` is told where models are built: ``torch=module:factory``, the other, and the input."""
    stated = load_table(str(table))
    ends = [f"{name}={end.build.said}" for name, end in stated.implementations.items()]
    return [*ends, "--input", "x".join(map(str, (1, *stated.input)))]


def held_against(hand, other, files):
    """Where a table, an inferred one for instance, moves tensors otherwise than the one written by hand; both ways.

    ``files`` has the weights of two columns, which both tables have.
    """
    one, two = files
    ways = [(one, two, files[one]), (two, one, files[two])]
    return [line for way in ways for line in differences(planned(hand, *way), planned(other, *way))]


def differences(one, other):
    """Lines that say where two plans of one pair of files differ; none where every element goes the same way.

    Rearrangements are compared by what they do: axes may have other names, kinds may be other kinds, and an axis of
    length one may stand anywhere in memory. ``other`` may be of another table, whose columns may have other names.
    """
    here, there = _ways(one), _ways(other)
    said = [f"{name}: {here[name].words}, only in one" for name in here.keys() - there.keys()]
    said += [f"{name}: {there[name].words}, only in the other" for name in there.keys() - here.keys()]
    for name in here.keys() & there.keys():
        if here[name][:2] != there[name][:2]:
            said.append(f"{name}: {here[name].words}, in the other {there[name].words}")
    dropped = [{drop.source.name for drop in plan.dropped} for plan in (one, other)]
    said += [f"{name}: dropped in one of the two" for name in dropped[0] ^ dropped[1]]
    return sorted(said)


def _ways(plan):
    """By target tensor; each element of the source has a number of its own, counted over all tensors of the source."""
    sources = {piece.source.name: piece.source for step in plan.steps for piece in step.pieces}
    sources |= {fold.source.name: fold.source for step in plan.steps for p in step.pieces for fold in p.folds}
    numbered, first = {}, 0
    for name in sorted(sources):
        spec = sources[name]
        numbered[name] = np.arange(first, first + spec.numel).reshape(spec.shape)
        first += spec.numel
    return {step.target.name: _way(step, numbered) for step in plan.steps}


def _way(step, numbered):
    shape = step.target.shape
    if isinstance(step, Filled):
        return Way(repr((shape, step.fill.value)).encode(), (), f"filled with {step.fill.value:g}")
    elements = carried(step, numbered.__getitem__)
    assert elements.shape == shape
    folds = tuple(
        (fold.sign, fold.rearrangement.apply(numbered[fold.source.name]).tobytes())
        for piece in step.pieces
        for fold in piece.folds
    )
    words = "; ".join(f"{piece.source.name} {piece.rearrangement.text}" for piece in step.pieces)
    return Way(repr(shape).encode() + elements.tobytes(), folds, words)
