"""Convolutions, pools and batch norms for onnx's reference evaluator, in whole arrays: its own go pixel by pixel.

What they compute is said by https://onnx.ai/onnx/operators/; tests hold them against the evaluator's own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun

from xframe.tensors import Array

_COLUMNS = 256  # rows of the matrix that a piece of a convolution multiplies with
Sides = list[tuple[int, int]]  # before and behind, for each spatial axis


class Windows:
    """A window of so many taps that slides over the spatial axes of N × C × …; where it stands, and what it covers.

    ``beyond`` is how far the last window reaches over the padding, where ``ceil`` lets it.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        kernel: Sequence[int],
        *,
        strides: Sequence[int] | None,
        dilations: Sequence[int] | None,
        pads: Sequence[int] | None,
        auto_pad: str | None,
        ceil: bool = False,
    ) -> None:
        rank = len(kernel)
        self.kernel = tuple(kernel)
        self.strides = tuple(strides or (1,) * rank)
        self.dilations = tuple(dilations or (1,) * rank)
        covers = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True)]
        self.pads = _sides(auto_pad or "NOTSET", lengths, covers, self.strides, pads or (0,) * (2 * rank))
        self.counts = tuple(
            _count(length, cover, stride, side, ceil=ceil)
            for length, cover, stride, side in zip(lengths, covers, self.strides, self.pads, strict=True)
        )
        ends = ((n - 1) * s + cover for n, s, cover in zip(self.counts, self.strides, covers, strict=True))
        self.beyond = [
            max(0, end - length - sum(side)) for end, length, side in zip(ends, lengths, self.pads, strict=True)
        ]

    def padded(self, x: Array, value: float, beyond: float | None = None) -> Array:
        """``x`` with ``value`` around it; what lies beyond the padding is ``beyond``, by default the same."""
        around = np.pad(x, [(0, 0), (0, 0), *self.pads], constant_values=value)
        behind = [(0, 0), (0, 0), *((0, more) for more in self.beyond)]
        return np.pad(around, behind, constant_values=value if beyond is None else beyond)

    def taps(self, padded: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
        """Each tap's place in the kernel, and what it reads at every place of the window."""
        for place in itertools.product(*map(range, self.kernel)):
            starts = [tap * dilation for tap, dilation in zip(place, self.dilations, strict=True)]
            spans: Iterator[Any] = (
                slice(start, start + (count - 1) * stride + 1, stride)
                for start, count, stride in zip(starts, self.counts, self.strides, strict=True)
            )
            yield place, _at(padded, tuple(spans))


def _sides(
    auto_pad: str, lengths: Sequence[int], covers: Sequence[int], strides: Sequence[int], pads: Sequence[int]
) -> Sides:
    rank = len(lengths)
    if auto_pad == "NOTSET":
        return list(zip(pads[:rank], pads[rank:], strict=True))
    if auto_pad == "VALID":
        return [(0, 0)] * rank
    totals = [
        max(0, (math.ceil(length / stride) - 1) * stride + cover - length)
        for length, cover, stride in zip(lengths, covers, strides, strict=True)
    ]
    less = [(total // 2, total - total // 2) for total in totals]
    return less if auto_pad == "SAME_UPPER" else [(behind, before) for before, behind in less]


def _count(length: int, cover: int, stride: int, side: tuple[int, int], *, ceil: bool) -> int:
    """Places of the window along an axis; with ``ceil`` none that starts behind the input and its first padding."""
    steps = (length + sum(side) - cover) / stride
    count = (math.ceil(steps) if ceil else math.floor(steps)) + 1
    return count - 1 if ceil and (count - 1) * stride >= length + side[0] else count


class Conv(OpRun):
    """Y[n, m] = Σ W[m, c, k] · X[n, c, k moved along] + B[m], in groups."""

    def _run(
        self,
        x: Array,
        w: Array,
        b: Array | None = None,
        auto_pad: str | None = None,
        dilations: Sequence[int] | None = None,
        group: int | None = None,
        kernel_shape: Sequence[int] | None = None,  # noqa: ARG002 - the kernel has it
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> tuple[Array]:
        groups, kernel = group or 1, w.shape[2:]
        windows = Windows(x.shape[2:], kernel, strides=strides, dilations=dilations, pads=pads, auto_pad=auto_pad)
        places = math.prod(windows.counts)
        given = windows.padded(x, 0.0)
        split = given.reshape(len(x), groups, x.shape[1] // groups, *given.shape[2:])
        weights = w.reshape(groups, w.shape[0] // groups, w.shape[1], *kernel)
        y = np.zeros((len(x), groups, weights.shape[1], places), x.dtype)
        taps, step = [*windows.taps(split)], max(1, _COLUMNS // w.shape[1])
        for piece in (taps[start : start + step] for start in range(0, len(taps), step)):
            rows = np.concatenate([read.reshape(*split.shape[:3], places) for _, read in piece], axis=2)
            columns = np.concatenate([_at(weights, place) for place, _ in piece], axis=2)
            y += columns @ rows
        y = y.reshape(len(x), w.shape[0], *windows.counts)
        return (y if b is None else y + b.reshape(-1, *(1 for _ in kernel)),)


def _at(array: Array, place: tuple[Any, ...]) -> Array:
    """``weights[..., *place]``, for the last axes."""
    return array[(Ellipsis, *place)]


class MaxPool(OpRun):
    """The largest value in the window; without indices."""

    def _run(
        self,
        x: Array,
        auto_pad: str | None = None,
        ceil_mode: int | None = None,
        dilations: Sequence[int] | None = None,
        kernel_shape: Sequence[int] = (),
        pads: Sequence[int] | None = None,
        storage_order: int | None = None,  # noqa: ARG002 - only indices have an order
        strides: Sequence[int] | None = None,
    ) -> tuple[Array]:
        if len(self.onnx_node.output) > 1 and self.onnx_node.output[1]:
            raise NotImplementedError("MaxPool with indices is not computed in float64")
        windows = Windows(
            x.shape[2:], kernel_shape, strides=strides, dilations=dilations, pads=pads, auto_pad=auto_pad,
            ceil=bool(ceil_mode),
        )  # fmt: skip
        return (_reduced(np.maximum, windows, windows.padded(x, -np.inf)),)


class AveragePool(OpRun):
    """The mean of the values in the window, of the padding's zeros too where ``count_include_pad`` says so."""

    def _run(
        self,
        x: Array,
        auto_pad: str | None = None,
        ceil_mode: int | None = None,
        count_include_pad: int | None = None,
        dilations: Sequence[int] | None = None,
        kernel_shape: Sequence[int] = (),
        pads: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
    ) -> tuple[Array]:
        windows = Windows(
            x.shape[2:], kernel_shape, strides=strides, dilations=dilations, pads=pads, auto_pad=auto_pad,
            ceil=bool(ceil_mode),
        )  # fmt: skip
        inside = windows.padded(np.ones((1, 1, *x.shape[2:])), float(bool(count_include_pad)), 0.0)
        total = _reduced(np.add, windows, windows.padded(x, 0.0))
        return ((total / _reduced(np.add, windows, inside)).astype(x.dtype, copy=False),)


def _reduced(function: np.ufunc, windows: Windows, padded: Array) -> Array:
    """What all taps of the window give together."""
    taps = (read for _, read in windows.taps(padded))
    result = next(taps).copy()
    for read in taps:
        function(result, read, out=result)
    return result


class BatchNormalization(OpRun):
    """(x − mean) / √(variance + ε) · scale + bias, as at inference. The evaluator's own trains before opset 14."""

    def _run(
        self,
        x: Array,
        scale: Array,
        bias: Array,
        mean: Array,
        variance: Array,
        epsilon: float = 1e-5,
        momentum: float | None = None,  # noqa: ARG002 - a figure for training
        training_mode: int | None = None,
        spatial: int | None = None,  # noqa: ARG002 - gone since opset 9
    ) -> tuple[Array]:
        if training_mode:
            raise NotImplementedError("BatchNormalization in training mode is not computed in float64")
        scale, bias, mean, variance = (
            part.reshape(-1, *(1 for _ in x.shape[2:])) for part in (scale, bias, mean, variance)
        )
        return ((x - mean) / np.sqrt(variance + epsilon) * scale + bias,)


OPERATORS = (Conv, MaxPool, AveragePool, BatchNormalization)
