"""Gradients of Paddle's average pools in float64.

Its CPU kernel multiplies what flows back by 1 / (window's size) rounded to float32, in float64 too: relative 2.0e-8 for
a window of 7 × 7, nothing for powers of two (measured with 3.3.1). What flows back into a pool is divided by that known
factor before, so that what comes out is exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import paddle

from xframe.tensors import Array


@contextmanager
def exact_pools() -> Iterator[list[float]]:
    """Until the end, average pools of float64 maps have exact gradients; the list takes each one's relative error."""
    original = paddle._C_ops.pool2d  # noqa: SLF001 - what all average pools over maps come down to
    errors: list[float] = []

    def pool2d(x: Any, *args: Any) -> Any:
        gave = original(x, *args)
        kernel, stride, padding, _, exclusive, layout, kind, everything, adaptive, *_ = args
        if kind == "avg" and x.dtype == paddle.float64 and layout == "NCHW" and not gave.stop_gradient:
            lengths, counts = list(x.shape[2:]), list(gave.shape[2:])
            if everything or adaptive:
                sizes = [_adaptive(length, count) for length, count in zip(lengths, counts, strict=True)]
            else:
                sizes = _windows(lengths, counts, kernel, stride, padding, exclusive=exclusive)
            areas = np.multiply.outer(*sizes)
            factors = (1.0 / areas) / np.float64(np.float32(1.0) / areas.astype(np.float32))
            errors.append(float(np.abs(factors - 1.0).max()))
            corrections = paddle.to_tensor(factors)
            gave.register_hook(lambda flowing: flowing * corrections)
        return gave

    paddle._C_ops.pool2d = pool2d  # noqa: SLF001
    try:
        yield errors
    finally:
        paddle._C_ops.pool2d = original  # noqa: SLF001


def _adaptive(length: int, count: int) -> Array:
    """Lengths of the windows of an adaptive pool along one axis."""
    places = np.arange(count)
    sizes: Array = -(-(places + 1) * length // count) - places * length // count
    return sizes


def _windows(
    lengths: Sequence[int],
    counts: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    *,
    exclusive: bool,
) -> list[Array]:
    """Lengths of the windows along each axis, padding left out where it is ``exclusive``."""
    ends = [(value, value) for value in padding] if len(padding) == 2 else [tuple(padding[:2]), tuple(padding[2:])]
    sizes = []
    for length, count, window, step, (before, after) in zip(lengths, counts, kernel, stride, ends, strict=True):
        starts = np.arange(count) * step - before
        stops = np.minimum(starts + window, length + after)
        sizes.append(np.minimum(stops, length) - np.maximum(starts, 0) if exclusive else stops - starts)
    return sizes
