"""What both sides are fed: an input, and weights where no file gives them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from xframe.dtypes import convert
from xframe.errors import LayoutError, UsageError
from xframe.mapping import Entry, Table
from xframe.tensors import FLOATS, STORAGE, Array, TensorSpec

SCALES = (1.0, 8.0)  # of the images: the second one drives activations to where a relu6 is no relu any more


def random_input(table: Table, seed: int) -> Array:
    """Normal values of shape (2, C, H, W) in float32, so that both precisions see the same numbers.

    The images have standard deviations of 1 and 8. Where the table says that the input is token ids, those: int64,
    evenly from 0 to below ``tokens``.
    """
    drawn = random_batch(table, np.random.default_rng(seed), len(SCALES))
    if table.tokens is not None:
        return drawn
    scaled: Array = drawn * np.array(SCALES, np.float32).reshape(-1, *(1 for _ in table.input))
    return scaled


def random_batch(table: Table, generator: np.random.Generator, size: int) -> Array:
    """``size`` inputs of the table: standard normal in float32, or token ids in int64."""
    shape = (size, *table.input)
    if table.tokens is not None:
        return generator.integers(0, table.tokens, shape, np.int64)
    return generator.standard_normal(shape, np.float32)


def read_input(path: Path, table: Table) -> Array:
    """The user's own input, (N, C, …) as the table has it; token ids are (N, T) and may be of any length.

    Raises UsageError when it does not fit.
    """
    array = _loaded(path)
    expected = ("N", *table.input)
    if (
        not isinstance(array, np.ndarray)
        or array.ndim != len(expected)
        or (table.input_axes == "channels" and array.shape[1] != table.input[0])
        or (table.tokens is None and table.input_axes == "sequence" and array.shape[-1] != table.input[-1])
        or array.size == 0
    ):
        raise UsageError(
            f"{path}: expected an input of shape {expected}, found {getattr(array, 'shape', 'an archive')}."
        )
    if array.dtype.kind not in "fiu":
        raise UsageError(f"{path}: expected numbers, found {array.dtype}.")
    if not np.isfinite(array).all():
        raise UsageError(f"{path}: the input holds NaN or Inf, so no output could prove anything.")
    return array.astype(np.float32) if table.tokens is None else _as_tokens(path, array, table.tokens)


def read_arrays(path: Path) -> Array | dict[str, Array]:
    """An array of a .npy file, or those of a .npz by name: finite numbers. Raises UsageError for anything else."""
    held = _loaded(path)
    arrays = {"": held} if isinstance(held, np.ndarray) else {name: held[name] for name in held.files}
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
            raise UsageError(f"{path}: expected finite numbers, found {array.dtype}{f' at {name!r}' if name else ''}.")
    return held if isinstance(held, np.ndarray) else arrays


def _loaded(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"{path} cannot be read as a .npy file: {error}.") from error


def _as_tokens(path: Path, array: Array, below: int) -> Array:
    if array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= below:
        raise UsageError(
            f"{path}: expected token ids, whole numbers from 0 to {below - 1}, found {array.dtype} from "
            f"{array.min()} to {array.max()}."
        )
    return array.astype(np.int64)


def random_weights(
    table: Table, implementation: str, specs: Mapping[str, TensorSpec], seed: int
) -> Iterator[tuple[str, Array, str]]:
    """Values for every tensor of ``specs``, each different from every other, batch statistics included.

    Each tensor has a generator of its own, seeded by ``seed`` and its name, or the first of its names. A tensor that
    only this implementation has stays at its fill, unless it can be added to another. Yields (name, array, dtype).
    """
    entries = {entry.names[implementation].name: entry for entry in table.entries if implementation in entry.names}
    lacking = {name for name, entry in entries.items() if len(entry.names) < len(table.implementations)}
    for name, spec in specs.items():
        entry = entries.get(name)
        if entry is not None and name in lacking and entry.fill is not None and entry.fill.add_to is None:
            values = np.full(spec.shape, entry.fill.value)
        else:
            first = entry.names[implementation].same_as if entry is not None else None
            values = _draw(spec, entry, implementation, _generator(first or name, seed))
        if spec.dtype in FLOATS:
            yield name, convert(values, "float64", spec.dtype)[0], spec.dtype
        else:
            yield name, values.astype(STORAGE[spec.dtype]), spec.dtype


def _generator(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")])


def _draw(spec: TensorSpec, entry: Entry | None, implementation: str, generator: np.random.Generator) -> Array:
    """Sizes that keep the signal at about one through any depth: He's for kernels, around one for scales."""
    draw = entry.tensor.draw if entry is not None else "shift"
    if draw == "kernel" and entry is not None:
        deviation = entry.layer.gain * math.sqrt(2.0 / _fan_in(spec, entry, implementation))
        return generator.normal(0.0, deviation, spec.shape)
    if draw in ("scale", "variance"):
        return generator.uniform(0.5, 1.5, spec.shape)
    if draw == "unit":
        return generator.normal(0.0, 1.0, spec.shape)
    return generator.normal(0.0, 0.1, spec.shape)


def _fan_in(spec: TensorSpec, entry: Entry, implementation: str) -> int:
    """How many inputs one output sums over: the axes that the kind says; by default all but ``out`` and blocks."""
    pattern = entry.names[implementation].pattern
    try:
        sizes = pattern.bind(spec.shape, entry.layer.sizes)
    except LayoutError:  # the plan reports the shape
        return max(1, spec.numel)
    axes = entry.tensor.sums or [axis for axis in pattern.axes if axis != "out" and axis not in pattern.blocks]
    return max(1, math.prod(sizes[axis] for axis in axes))
