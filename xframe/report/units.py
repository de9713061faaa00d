"""Numbers as people read them."""

from __future__ import annotations

import math


def size(count: int) -> str:
    """Bytes in powers of a thousand: ``46.8 MB``."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"


def figure(value: float) -> str:
    """A difference in two digits: ``2.0e-12``, ``0`` only when it is nothing at all."""
    if value == 0:
        return "0"
    return f"{value:.1e}" if math.isfinite(value) else "not comparable"


def shape(lengths: tuple[int, ...] | None) -> str:
    """``64×3×7×7``; a scalar is ``scalar``, an unknown shape ``?``."""
    if lengths is None:
        return "?"
    return "×".join(map(str, lengths)) or "scalar"


def counted(count: int, noun: str) -> str:
    """``1 problem``, ``2 problems``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
