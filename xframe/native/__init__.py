"""C for the loop that bounds a conversion, compiled on installation: ``words``, or None without a C compiler.

Whoever uses it has another way that gives the same result.
"""

try:
    from xframe.native import words
except ImportError:
    words = None  # type: ignore[assignment]

__all__ = ["words"]
