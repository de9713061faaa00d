"""A cause of a difference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """``cause`` is a word or two for machines, ``detail`` a sentence with both sides' values.

    ``confirmed`` says that the layer agreed when the cause was taken away; ``change`` what to change, and where.
    """

    cause: str
    detail: str
    confirmed: bool
    change: str = ""

    def to_json(self) -> dict[str, Any]:
        """An entry of ``causes`` in ``--json``."""
        return {"cause": self.cause, "detail": self.detail, "confirmed": self.confirmed, "change": self.change}

    def __str__(self) -> str:
        mark = "confirmed" if self.confirmed else "not confirmed"
        return f"{self.cause} ({mark}): {self.detail}" + (f" To change: {self.change}." if self.change else "")


def in_order(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """The confirmed ones first."""
    return tuple(sorted(causes, key=lambda cause: not cause.confirmed))
