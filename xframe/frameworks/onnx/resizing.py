"""Resize for onnx's reference evaluator, an axis at a time in whole arrays: its own goes pixel by pixel.

What it computes is said by https://onnx.ai/onnx/operators/onnx__Resize.html; a test holds it to the evaluator's own,
which still does what is rare: antialiasing, cropping, a fixed aspect ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx.reference.ops import op_resize

from xframe.frameworks.onnx.written import written
from xframe.tensors import Array

# Where a pixel of the output lies in the input: (pixels, length, resized length, scale).
_ORIGINS: dict[str, Callable[[Array, int, int, float], Array]] = {
    "half_pixel": lambda x, _, __, scale: (x + 0.5) / scale - 0.5,
    "pytorch_half_pixel": lambda x, _, resized, scale: (x + 0.5) / scale - 0.5 if resized > 1 else x,
    "asymmetric": lambda x, _, __, scale: x / scale,
    "align_corners": lambda x, length, resized, _: x * (length - 1) / (resized - 1) if resized > 1 else x,
    "half_pixel_symmetric": lambda x, length, resized, scale: (
        length / 2 * (1 - resized / (scale * length)) + (x + 0.5) / scale - 0.5
    ),
}
_NEAREST: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


class Resize(op_resize.Resize):
    """X at other lengths, by its nearest, two or four neighbours along each axis."""

    def _run(
        self,
        x: Array,
        roi: Array | None = None,
        scales: Array | None = None,
        sizes: Array | None = None,
        antialias: int | None = None,
        axes: Sequence[int] | None = None,
        coordinate_transformation_mode: str | None = None,
        cubic_coeff_a: float | None = None,
        exclude_outside: int | None = None,
        extrapolation_value: float | None = None,
        keep_aspect_ratio_policy: str | None = None,
        mode: str | None = None,
        nearest_mode: str | None = None,
    ) -> tuple[Array]:
        origins = _ORIGINS.get(coordinate_transformation_mode or "half_pixel")
        if antialias or origins is None or keep_aspect_ratio_policy not in (None, "stretch"):
            rare: tuple[Array] = super()._run(
                x, roi, scales, sizes, antialias, axes, coordinate_transformation_mode, cubic_coeff_a,
                exclude_outside, extrapolation_value, keep_aspect_ratio_policy, mode, nearest_mode,
            )  # fmt: skip
            return rare
        for axis, resized, scale in _lengths(x.shape, axes, scales, sizes):
            if (resized, scale) != (x.shape[axis], 1.0):
                places = origins(np.arange(resized, dtype=np.float64), x.shape[axis], resized, scale)
                taps = _taps(mode or "nearest", places, nearest_mode, -0.75 if cubic_coeff_a is None else cubic_coeff_a)
                x = _gathered(x, axis, *taps, outside=not exclude_outside)
        return (x,)


def _lengths(
    shape: tuple[int, ...], axes: Sequence[int] | None, scales: Array | None, sizes: Array | None
) -> list[tuple[int, int, float]]:
    """Axis, resized length, scale. A length is a scaled one as onnxruntime has it, which multiplies in float32."""
    along = [axis % len(shape) for axis in axes] if axes else [*range(len(shape))]
    if sizes is not None and sizes.size:
        return [(axis, int(size), int(size) / shape[axis]) for axis, size in zip(along, sizes, strict=True)]
    if scales is None:
        raise NotImplementedError("Resize without scales and sizes, as opset 10 has it, is not computed in float64")
    return [
        (axis, int(np.float32(scale) * np.float32(shape[axis])), written(scale))
        for axis, scale in zip(along, scales, strict=True)
    ]


def _taps(mode: str, places: Array, nearest: str | None, a: float) -> tuple[Array, Array]:
    """Neighbours of each place, (taps, places), and their weights."""
    if mode == "nearest":
        index = _NEAREST[nearest or "round_prefer_floor"](places)
        return index[None], np.ones((1, len(places)))
    left = np.floor(places)
    ratio = places - left
    if mode == "linear":
        return np.stack([left, left + 1]), np.stack([1 - ratio, ratio])
    weights = [_far(1 + ratio, a), _near(ratio, a), _near(1 - ratio, a), _far(2 - ratio, a)]
    return np.stack([left + step for step in (-1, 0, 1, 2)]), np.stack(weights)


def _near(t: Array, a: float) -> Array:
    """Keys' cubic at a distance of up to 1 (doi:10.1109/TASSP.1981.1163711)."""
    near: Array = ((a + 2) * t - (a + 3)) * t * t + 1
    return near


def _far(t: Array, a: float) -> Array:
    """From 1 to 2."""
    far: Array = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return far


def _gathered(x: Array, axis: int, index: Array, weights: Array, *, outside: bool) -> Array:
    """The weighted sum of the neighbours; what lies outside is the pixel at the edge, or nothing."""
    last = x.shape[axis] - 1
    if not outside:
        weights = np.where((index < 0) | (index > last), 0.0, weights)
        weights = weights / weights.sum(axis=0)
    shape: list[Any] = [1] * x.ndim
    shape[axis] = -1
    taken = (np.take(x, np.clip(tap, 0, last).astype(np.int64), axis=axis) for tap in index)
    return sum(values * weight.reshape(shape) for values, weight in zip(taken, weights, strict=True))  # type: ignore[no-any-return]
