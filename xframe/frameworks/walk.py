"""A forward pass held against what another model's layers gave, call by call, while it runs. Keeps numbers only."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from xframe import exchange
from xframe.comparison import alike, distance
from xframe.tensors import Array

Calls = Sequence[tuple[str, Sequence[exchange.Message]]]  # by layer, what its calls gave


class Walk:
    """A visitor of layers. ``calls`` holds (layer, turn, max |a − b|, max |a|, reason) of each."""

    def __init__(self, theirs: Calls, *, replace: bool) -> None:
        self._theirs = dict(theirs)
        self._replace = replace
        self._turns: Counter[str] = Counter()
        self.calls: list[tuple[str, int, float, float, str]] = []

    @property
    def layers(self) -> list[str]:
        return list(self._theirs)

    def __call__(self, layer: str, _read: Callable[[], list[Array]], gave: list[Array]) -> list[Array] | None:
        turn = self._turns[layer]
        self._turns[layer] += 1
        theirs = self._theirs.get(layer, ())
        if turn >= len(theirs):
            self.calls.append((layer, turn, math.inf, math.inf, "the other side makes no such call"))
            return None
        expected = np.ascontiguousarray(exchange.get(theirs[turn]))
        found = distance(*alike(expected, gave[0]))
        self.calls.append((layer, turn, found.max_abs, found.scale, found.reason))
        fits = self._replace and expected.size == gave[0].size and not found.reason.startswith("shapes")
        return [expected.reshape(gave[0].shape), *gave[1:]] if fits else None
