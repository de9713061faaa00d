"""Ways from one layer's output to what another reads, recognised by their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from xframe.proving.causes.evidence import Evidence
from xframe.proving.causes.functions import ACTIVATIONS, Function, Pool, flattened, leaky, pools
from xframe.tensors import Array

_LARGEST = 2**22  # values; larger maps are not searched
_CROP = 8  # channels that are looked at before all are
_ACROSS = ("softmax", "log softmax")  # these mix channels
_BEHIND_A_SUM = ("", "relu")


@dataclass(frozen=True, slots=True)
class Path:
    """An addition, then an activation, then a pool; ``order`` is that of a flatten behind them."""

    activation: str = ""
    pool: Pool | None = None
    added: str = ""
    order: str = ""

    def __str__(self) -> str:
        sum_ = f"the sum with {self.added}" if self.added else ""
        return ", then ".join(str(part) for part in (sum_, self.activation, self.pool) if part) or "nothing"


def path(evidence: Evidence, gave: Array, read: Array, *, pooled: bool) -> Path | None:
    """The first way from ``gave`` to ``read`` that gives its values; through a pool only if ``pooled``."""
    if gave.size > _LARGEST:
        return None
    crop = _crop(gave, read)
    functions = {"": _same, **ACTIVATIONS, **_fitted(gave, read)}
    for name, function in functions.items():
        few, expected = (gave, read) if name in _ACROSS else crop
        for pool, order in _ways(evidence, function(few), expected, pooled=pooled):
            whole = function(gave) if pool is None else pool(function(gave))
            if any(evidence.same(read, laid) for laid in _laid_out(whole, read).values()):
                return Path(name, pool, order=order)
    return None


def sums(evidence: Evidence, index: int, read: Array) -> Path | None:
    """The same behind an addition of what an earlier layer gave, or a relu of that."""
    gave, relu = evidence.before[index][1], ACTIVATIONS["relu"]
    for name, other in evidence.before[index + 1 :]:
        if other.shape != gave.shape:
            continue
        for added, values in ((f"what {name} gave", other), (f"a relu of what {name} gave", relu(other))):
            for activation in _BEHIND_A_SUM:
                whole = {"": _same, **ACTIVATIONS}[activation](gave + values)
                if any(evidence.same(read, laid) for laid in _laid_out(whole, read).values()):
                    return Path(activation, added=added)
    return None


def _same(values: Array) -> Array:
    return values


def _crop(gave: Array, read: Array) -> tuple[Array, Array]:
    """A part of both that is related as the whole is: the last image, of maps only some channels."""
    if gave.ndim > 2 and read.ndim > 2:
        return gave[-1:, :_CROP], read[-1:, :_CROP]
    return gave[-1:], read[-1:]


def _fitted(gave: Array, read: Array) -> Mapping[str, Function]:
    """A leaky relu of whatever slope turns the negative values of one into the other's."""
    for laid in _laid_out(gave, read).values():
        negative = laid < 0
        if negative.any():
            slope = float(f"{np.median(read[negative] / laid[negative]):.6g}")
            return {f"leaky relu of slope {slope:g}": leaky(slope)} if np.isfinite(slope) else {}
    return {}


def _ways(evidence: Evidence, values: Array, read: Array, *, pooled: bool) -> Iterator[tuple[Pool | None, str]]:
    """Pools, or none, and flatten orders by which ``values`` become ``read``."""
    for pool in _pools(values, read) if pooled else (None,):
        given = values if pool is None else pool(values)
        for order, laid in _laid_out(given, read).items():
            if evidence.same(read, laid):
                yield pool, order


def _pools(values: Array, read: Array) -> Iterator[Pool | None]:
    yield None
    if values.ndim == 4:
        for size in _sizes(values, read):
            yield from pools(values.shape, (*values.shape[:2], *size))


def _sizes(values: Array, read: Array) -> Iterator[tuple[int, int]]:
    """Heights and widths that pooled maps would have to have; a margin of padding may be around them."""
    if read.ndim == 4 and read.shape[1] == values.shape[1]:
        for margin in (0, 1, 2):
            yield read.shape[2] - margin, read.shape[3] - margin
    elif read.ndim == 2 and read.shape[1] % values.shape[1] == 0:
        area = read.shape[1] // values.shape[1]
        side = round(area**0.5)
        if side * side == area:
            yield side, side


def _laid_out(values: Array, read: Array) -> dict[str, Array]:
    """The values as the layer may read them, by the order of a flatten: as they are, or with zeros around."""
    if values.shape == read.shape:
        return {"": values}
    if values.ndim == 4 and read.ndim == 2 and values[0].size == read.shape[1]:
        return {order: flattened(values, order) for order in ("c h w", "h w c")}
    if values.ndim == read.ndim == 4 and values.shape[:2] == read.shape[:2]:
        return dict(_with_margins(values, read))
    return {}


def _with_margins(values: Array, read: Array) -> Iterator[tuple[str, Array]]:
    height, width = (b - a for a, b in zip(values.shape[2:], read.shape[2:], strict=True))
    if not (0 <= height <= 6 and 0 <= width <= 6):
        return
    for top, left in {(height // 2, width // 2), (0, 0)}:
        around = ((0, 0), (0, 0), (top, height - top), (left, width - left))
        yield f"{top} before", np.pad(values, around)
