"""Readers that are loaded when a file may be of their format: most commands meet one format or two of a dozen."""

from __future__ import annotations

import importlib
import re
from functools import cached_property
from pathlib import Path

from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import Checkpoint, Glance, Reader


class Later:
    """The reader ``home`` of a format, a class of ``xframe.checkpoints`` that takes no arguments.

    Every file of the format begins as the pattern ``begins`` says and ends with ``ends``: others are not its concern.
    Where both fit the reader itself is asked.
    """

    extensions: tuple[str, ...] = ()  # of the formats that are written

    def __init__(self, name: str, home: str, *, begins: bytes = b"", ends: bytes = b"") -> None:
        self.name = name
        self._home = home
        self._begins = re.compile(begins)
        self._ends = ends

    @cached_property
    def reader(self) -> Reader:
        """The reader, loaded."""
        module, _, name = self._home.partition(":")
        found: Reader = getattr(importlib.import_module(f"xframe.checkpoints.{module}"), name)()
        return found

    def matches(self, glance: Glance) -> bool:
        """What the reader says, without loading it for a file that begins or ends otherwise."""
        may_be = self._begins.match(glance.head) is not None and glance.tail.endswith(self._ends)
        return may_be and self.reader.matches(glance)

    def read(self, path: Path, budget: Budget) -> Checkpoint:
        """What the reader finds. Raises CheckpointError as it does."""
        return self.reader.read(path, budget)
