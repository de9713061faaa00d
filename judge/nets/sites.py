"""Places of a network where a fault of one kind can be planted. Imported inside a worker: needs nothing but Python."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Site:
    """``plant()`` spoils the network and returns it. ``layer`` is the layer that computes otherwise, "" if unmapped."""

    layer: str
    says: str
    plant: Callable[[], Any]


def plant(sites: Iterable[Site], seed: int, turn: int, note: str) -> Any:
    """The network with a fault at the site of that turn, in an order drawn from ``seed``.

    Writes into the file ``note`` what was done, as JSON. Raises LookupError when there are not so many sites.
    """
    drawn = list(sites)
    random.Random(seed).shuffle(drawn)  # noqa: S311 - drawn to be drawn again, not to be secret
    site = drawn[turn] if turn < len(drawn) else None
    said = {} if site is None else {"layer": site.layer, "says": site.says}
    Path(note).write_text(json.dumps(said), encoding="utf-8")
    if site is None:
        raise LookupError(f"there are only {len(drawn)} such places in the network")
    return site.plant()


def shifted(padding: int, towards: int) -> tuple[int, int]:
    """Padding before and after, one zero of it moved to the other side."""
    return padding - towards, padding + towards
