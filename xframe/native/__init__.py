"""C for the loops that bound a conversion, compiled on installation: each is None without a C compiler.

Whoever uses one has another way that gives the same result.
"""

try:
    from xframe.native import pieces, words
except ImportError:
    pieces = words = None  # type: ignore[assignment]

__all__ = ["pieces", "words"]
