"""Tests of one's own: a line a table. The pytest plugin runs them; nothing here needs pytest before it is called."""

from xframe.testing.lines import equivalence, golden

__all__ = ["equivalence", "golden"]
