"""What happened to values on the way: lost digits and overflows where a dtype was converted, and NaN or infinity."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from xframe.dtypes import Loss, convert, is_finite
from xframe.tensors import FLOATS, Array, TensorSpec


class Account:
    """Kept while tensors move, on any number of threads; and turned page by page, for who writes in parts.

    A page is what passed between two calls of ``page``, as JSON that another run's account can ``enter``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nonfinite: set[str] = set()
        self.loss = Loss()
        self._turned = Loss(), frozenset[str]()  # what stands on earlier pages

    @property
    def nonfinite(self) -> tuple[str, ...]:
        """Source tensors that hold NaN or infinity."""
        return tuple(sorted(self._nonfinite))

    def passed(self, values: Array, source: TensorSpec, target: str) -> Array:
        """``values`` of ``source``, or a part of them, as the dtype ``target``."""
        if source.dtype in FLOATS and source.name not in self._nonfinite and not is_finite(values, source.dtype):
            with self._lock:
                self._nonfinite.add(source.name)
        if source.dtype == target:
            return values
        converted, loss = convert(values, source.dtype, target)
        with self._lock:
            self.loss += loss
        return converted

    def page(self) -> dict[str, Any]:
        """What passed since the last page, which ends here."""
        loss, nonfinite = self._turned
        page = {**(self.loss - loss).to_json(), "nonfinite": sorted(self._nonfinite - nonfinite)}
        self._turn()
        return page

    def enter(self, page: Mapping[str, Any]) -> None:
        """Adds a page of another run's account. Raises ValueError for what is none."""
        match page:
            case {"overflowed": int(overflowed), "rounded": int(rounded), "nonfinite": [*names]}:
                if min(overflowed, rounded) >= 0 and all(
                    isinstance(name, str) and name.isprintable() for name in names
                ):
                    self.loss += Loss(overflowed, rounded)
                    self._nonfinite |= set(names)
                    self._turn()
                    return
        raise ValueError(f"expected a page of an account; found {page}")

    def _turn(self) -> None:
        self._turned = self.loss, frozenset(self._nonfinite)
