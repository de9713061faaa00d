"""What happened to values on the way: lost digits and overflows where a dtype was converted, and NaN or infinity."""

from __future__ import annotations

import threading

from xframe.dtypes import Loss, convert, is_finite
from xframe.tensors import FLOATS, Array, TensorSpec


class Account:
    """Kept while tensors move, on any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._nonfinite: set[str] = set()
        self.loss = Loss()

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
