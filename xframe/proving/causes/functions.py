"""What may lie between two layers, in numpy and float64, channels first: activations, pools, paddings, flattening.

Known by the values that they give, since a functional relu has no name that could be asked for.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from xframe.tensors import Array

Function = Callable[[Array], Array]
_erf = np.frompyfunc(math.erf, 1, 1)


def gelu(x: Array) -> Array:
    """x·Φ(x) (Hendrycks and Gimpel 2016, arXiv:1606.08415)."""
    errors = np.asarray(_erf(x / math.sqrt(2.0)), np.float64)
    return x * 0.5 * (1.0 + errors)


def gelu_tanh(x: Array) -> Array:
    """The tanh approximation of the same paper."""
    return x * 0.5 * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^−x), without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def softmax(x: Array) -> Array:
    """Over axis 1: the classes of N×C, the channels of N×C×H×W."""
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares


def log_softmax(x: Array) -> Array:
    """Over axis 1; finite where a softmax is 0 already."""
    lowered = x - x.max(axis=1, keepdims=True)
    found: Array = lowered - np.log(np.exp(lowered).sum(axis=1, keepdims=True))
    return found


def leaky(slope: float) -> Function:
    """max(x, slope · x)."""
    return lambda x: np.where(x < 0, slope * x, x)


ACTIVATIONS: dict[str, Function] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "relu6": lambda x: np.clip(x, 0.0, 6.0),
    "leaky relu of slope 0.01": leaky(0.01),
    "leaky relu of slope 0.3": leaky(0.3),
    "leaky relu of slope 0.2": leaky(0.2),
    "leaky relu of slope 0.1": leaky(0.1),
    "exact gelu": gelu,
    "gelu by tanh": gelu_tanh,
    "silu": lambda x: x * sigmoid(x),
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "elu": lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0.0)), x),
    "hard sigmoid": lambda x: np.clip(x / 6.0 + 0.5, 0.0, 1.0),
    "hard swish": lambda x: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0),
    "softmax": softmax,
    "log softmax": log_softmax,
}


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool over square windows. ``ceil`` lets a last window hang over; ``counts`` counts padded zeros into a mean."""

    kind: str
    window: int
    stride: int
    padding: tuple[int, int] = (0, 0)
    ceil: bool = False
    counts: bool = False

    def __str__(self) -> str:
        if not self.window:
            return f"global {self.kind} pooling"
        parts = [f"{self.kind} pooling of {self.window}×{self.window} windows at stride {self.stride}"]
        before, after = self.padding
        if before or after:
            parts.append(f"padded by {before} before and {after} after" if before != after else f"padded by {before}")
            if self.kind == "average":
                parts.append("zeros counted" if self.counts else "zeros not counted")
        return ", ".join([*parts, *(["last windows cut off at the edge"] if self.ceil else [])])

    def size(self, length: int) -> int:
        """How many windows fit into ``length``."""
        if not self.window:
            return 1
        space = length + sum(self.padding) - self.window
        windows = (math.ceil(space / self.stride) if self.ceil else space // self.stride) + 1
        if self.ceil and (windows - 1) * self.stride >= length + self.padding[0]:
            windows -= 1  # no window may begin behind the end
        return windows

    def __call__(self, x: Array) -> Array:
        """N×C×H×W."""
        if not self.window:
            pooled: Array = (
                x.max(axis=(2, 3), keepdims=True) if self.kind == "max" else x.mean(axis=(2, 3), keepdims=True)
            )
            return pooled
        if self.kind == "max":
            return np.asarray(self._windows(x, -np.inf).max(axis=(4, 5)))
        sums = self._windows(x, 0.0).sum(axis=(4, 5))
        ones = np.ones((1, 1, *x.shape[2:]))
        inside = (
            self._windows(np.pad(ones, self._ends, constant_values=1.0), 0.0, padded=True)
            if self.counts
            else self._windows(ones, 0.0)
        )
        return np.asarray(sums / inside.sum(axis=(4, 5)))

    @property
    def _ends(self) -> list[tuple[int, int]]:
        return [(0, 0), (0, 0), self.padding, self.padding]

    def _windows(self, x: Array, fill: float, *, padded: bool = False) -> Array:
        lengths = [length - sum(self.padding) if padded else length for length in x.shape[2:]]
        needed = [(self.size(length) - 1) * self.stride + self.window for length in lengths]
        x = x if padded else np.pad(x, self._ends, constant_values=fill)
        over = [(0, max(0, end - length)) for end, length in zip(needed, x.shape[2:], strict=True)]
        x = np.pad(x, [(0, 0), (0, 0), *over], constant_values=fill)
        views = np.lib.stride_tricks.sliding_window_view(x, (self.window, self.window), axis=(2, 3))
        counts = [self.size(length) for length in lengths]
        steps = tuple(slice(0, (count - 1) * self.stride + 1, self.stride) for count in counts)
        found: Array = views[:, :, steps[0], steps[1]]
        return found


def pools(shape: tuple[int, ...], wanted: tuple[int, ...]) -> Iterator[Pool]:
    """Pools that turn maps of N×C×H×W into ``wanted``, the common ones first."""
    for kind in ("max", "average"):
        if wanted[2:] == (1, 1):
            yield Pool(kind, 0, 1)
        for window, stride in itertools.product((2, 3, 5, 7), (2, 1, 3)):
            for padding, ceil in itertools.product(((0, 0), (1, 1), (0, 1), (2, 2), (3, 3)), (False, True)):
                if max(padding) * 2 > window:
                    continue
                for counts in (False, True) if kind == "average" and any(padding) else (False,):
                    pool = Pool(kind, window, stride, padding, ceil, counts)
                    if all(pool.size(length) == size > 0 for length, size in zip(shape[2:], wanted[2:], strict=True)):
                        yield pool


def flattened(x: Array, order: str) -> Array:
    """N×C×H×W as N×(C·H·W); ``order`` is "c h w" or "h w c"."""
    return (x if order == "c h w" else x.transpose(0, 2, 3, 1)).reshape(len(x), -1)
