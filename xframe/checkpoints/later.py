"""Formats that are loaded when a file may be theirs: most commands meet one or two of a dozen."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xframe.checkpoints.budget import Budget
from xframe.checkpoints.model import Checkpoint, Format, Glance, Outgoing

if TYPE_CHECKING:
    from xframe.checkpoints.pouring import Layout


class Later:
    """The reader ``home`` of a format, a class of ``xframe.checkpoints``, which is ``given`` what it takes.

    Every file of the format begins as the pattern ``begins`` says and ends with ``ends``: others are not its concern.
    Where both fit the reader itself is asked. ``extensions`` are those of a format that can be written.
    """

    def __init__(
        self, name: str, home: str, *given: Any, begins: bytes = b"", ends: bytes = b"", extensions: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.extensions = tuple(extensions)
        self._home = home
        self._given = given
        self._begins = re.compile(begins, re.DOTALL)
        self._ends = ends

    @cached_property
    def reader(self) -> Format:
        """The reader, loaded. Only that of a format with ``extensions`` can write."""
        module, _, name = self._home.partition(":")
        found: Format = getattr(importlib.import_module(f"xframe.checkpoints.{module}"), name)(*self._given)
        return found

    def matches(self, glance: Glance) -> bool:
        """What the reader says, without loading it for a file that begins or ends otherwise."""
        may_be = self._begins.match(glance.head) is not None and glance.tail.endswith(self._ends)
        return may_be and self.reader.matches(glance)

    def read(self, path: Path, budget: Budget) -> Checkpoint:
        """What the reader finds. Raises CheckpointError as it does."""
        return self.reader.read(path, budget)

    def layout(self, tensors: Sequence[Outgoing]) -> Layout:
        """What the format says. Raises UsageError for a tensor that it cannot hold."""
        return self.reader.layout(tensors)
