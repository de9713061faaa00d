"""Partitioned variables: tensors that lie in parts, each with a record of its own, joined when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import StoredTensor
from xframe.checkpoints.refusals import refusal
from xframe.checkpoints.tensorflow.entries import WHOLE, Entry, slice_key
from xframe.tensors import STORAGE, Array, TensorSpec


def joined(
    spec: TensorSpec, entry: Entry, parts: Mapping[bytes, StoredTensor], budget: Budget, place: str
) -> tuple[StoredTensor, set[bytes]]:
    """The tensor, and the keys of its parts. Raises CheckpointError unless they follow one another along one axis."""
    cut = {
        axis
        for part in entry.slices
        for axis, extent in enumerate(part)
        if extent not in {WHOLE, (0, spec.shape[axis])}
    }
    if not spec.shape or len(cut) > 1:
        found, attempt = f"slices along {len(cut)}", "save it in one piece"
        raise refusal(place, expected="slices along one axis", found=found, attempt=attempt)
    along = min(cut, default=0)
    ordered = sorted(entry.slices, key=lambda part: part[along])
    position, tensors, keys = 0, [], []
    for part in ordered:
        start, length = part[along] if part[along] != WHOLE else (0, spec.shape[along])
        key = slice_key(spec.name, part)
        held = parts.get(key)
        shape = (*spec.shape[:along], length, *spec.shape[along + 1 :])
        if start != position or held is None or (held.spec.shape, held.spec.dtype) != (shape, spec.dtype):
            found = "none" if held is None else f"{held.spec.shape} from {start} on"
            raise refusal(place, expected=f"a slice of {list(shape)} from {position} on", found=found)
        position += length
        tensors.append(held)
        keys.append(key)
    if position != spec.shape[along]:
        raise refusal(place, expected=f"slices up to {spec.shape[along]}", found=f"them up to {position}")
    return StoredTensor(spec=spec, unpack=partial(_join, spec, along, tensors, budget, place)), set(keys)


def _join(spec: TensorSpec, along: int, tensors: list[StoredTensor], budget: Budget, place: str) -> Array:
    budget.check(place, spec.nbytes)
    whole = np.empty(spec.shape, STORAGE[spec.dtype])
    return np.concatenate([tensor.array() for tensor in tensors], axis=along, out=whole)
