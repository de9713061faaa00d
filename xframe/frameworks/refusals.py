"""What a build is refused for. A worker's server sends the words as they are; they are for the user."""

from __future__ import annotations


class Unbuildable(RuntimeError):
    """No model comes of a column's ``build``; the message says what was expected, what was found, what to try."""
