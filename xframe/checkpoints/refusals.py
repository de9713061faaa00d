"""How a weight file is refused: one paragraph that says what was expected, what was found, and what to try."""

from __future__ import annotations

from xframe.errors import CheckpointError

_LONGEST = 80
FRESH_COPY = "fetch or save the file again; this copy is damaged or was made by hand"


def refusal(place: object, *, expected: str, found: str, attempt: str = FRESH_COPY) -> CheckpointError:
    """The error for a file, or a place in one, that is not what it should be."""
    return CheckpointError(f"{place}: expected {expected}; found {found}. Try: {attempt}.")


def shown(text: object) -> str:
    """Words out of an untrusted file, fit for a terminal: printable ASCII, one line, at most 80 characters."""
    words = str(text)
    clipped = words if len(words) <= _LONGEST else words[:_LONGEST] + "…"
    return clipped if clipped.isascii() and clipped.isprintable() else ascii(clipped)[1:-1]
