"""Tensors that a state dict has under several names. The model itself tells: fresh copies hold the same bits too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from xframe.digests import digest
from xframe.inferring.parts import Part, joined
from xframe.proving.sides import Side
from xframe.tensors import STORAGE, Array, TensorSpec


def untied(side: Side, parts: Sequence[Part]) -> list[Part]:
    """Parts that are the same tensors under other names, as one part with several names."""
    held = _told_apart(side)
    return joined(parts, lambda one, other: _are_tied(one, other, held))


def _told_apart(side: Side) -> dict[str, str]:
    """A digest of each tensor after those that hold the same bits were given other values, each its own.

    Only names of one tensor still hold the same bits then. Layers that were made as deep copies, such as those of
    torch.nn.TransformerEncoder, hold the same at first and are no less layers of their own. The model has its values
    again afterwards.
    """
    before = side.state()()
    held = {name: digest(extent.map()) for name, extent in before.items()}
    several = {found for found, count in Counter(held.values()).items() if count > 1}
    suspects = [spec for name, spec in side.specs.items() if held[name] in several and _moves(spec)]
    if not suspects:
        return held
    messages = {name: extent.to_message() for name, extent in before.items()}
    other = dict(side.put((spec.name, _of_its_own(spec), spec.dtype) for spec in suspects))
    side.load({**messages, **other}.items()).result()
    after = {name: digest(extent.map()) for name, extent in side.state()().items()}
    side.load(messages.items()).result()
    return after


def _of_its_own(spec: TensorSpec) -> Array:
    generator = np.random.default_rng([*spec.name.encode()])
    return generator.uniform(0.5, 1.5, spec.shape).astype(STORAGE[spec.dtype])


def _moves(spec: TensorSpec) -> bool:
    """Whether it holds numbers that can be other ones: a counter of batches cannot tell who it belongs to."""
    return STORAGE[spec.dtype].kind == "f" and 0 not in spec.shape


def _are_tied(one: Part, other: Part, held: Mapping[str, str]) -> bool:
    pairs = [(spec, other.tensors[own]) for own, spec in one.tensors.items()]
    return any(_moves(spec) for spec, _ in pairs) and all(held[spec.name] == held[twin.name] for spec, twin in pairs)
