"""Multiply-adds of one layer, by its kind and its shapes, the same way for every framework.

The convention is that of ``paddle.flops`` (python/paddle/hapi/dynamic_flops.py): a convolution's bias counts one per
output, a linear layer's does not; batch normalisation counts two per output; an average pool one, over a whole map one
per pixel read and one division; activations and max pooling count nothing. One image, whatever the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a layer: values in its kernel, whether it has a bias, and what it read and gave, C × H × W."""

    kernel: int
    bias: bool
    read: Shape
    gave: Shape

    @property
    def outputs(self) -> int:
        return math.prod(self.gave)

    @property
    def places(self) -> int:
        """Outputs of one channel."""
        return math.prod(self.gave[1:])


def multiply_adds(kind: str, call: Call) -> int | None:
    """Of one call; None for a kind that the convention does not know."""
    cost = _COSTS.get(kind)
    return None if cost is None else cost(call)


def _convolution(call: Call) -> int:
    return call.places * call.kernel + call.bias * call.outputs


def _linear(call: Call) -> int:
    """Of each vector of a sequence."""
    return call.kernel * math.prod(call.gave[:-1])


def _linear_after_flatten(call: Call) -> int:
    return call.kernel


def _two_per_output(call: Call) -> int:
    return 2 * call.outputs


def _one_per_output(call: Call) -> int:
    return call.outputs


def _adaptive_average(call: Call) -> int:
    windows = [read // gave for read, gave in zip(call.read[1:], call.gave[1:], strict=False)]
    return call.outputs * (math.prod(windows or call.read[1:]) + 1)


def _subsampling(call: Call) -> int:
    """An average pool, then a weight and a bias."""
    return 3 * call.outputs


_COSTS: Mapping[str, Callable[[Call], int]] = MappingProxyType(
    {
        "conv1d": _convolution,
        "conv2d": _convolution,
        "conv_transpose2d": _convolution,
        "depthwise_conv2d": _convolution,
        "linear": _linear,
        "linear_after_flatten": _linear_after_flatten,
        "batch_norm": _two_per_output,
        "subsampling": _subsampling,
        "avg_pool": _one_per_output,
        "adaptive_avg_pool": _adaptive_average,
    }
)
