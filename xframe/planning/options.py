"""Which of a table's options would make a tensor of another shape fit: ``--set num_classes=10``."""

from __future__ import annotations

from functools import cached_property

from xframe.errors import LayoutError, XframeError
from xframe.mapping import Entry, Table, load_table

_ANOTHER = 7919  # a length that no layer has


class OptionHints:
    """What to say of a shape that the table's options may explain. Nothing is loaded until it is asked."""

    def __init__(self, table: Table, source: str) -> None:
        self.table, self.source = table, source

    def hint(self, entry: Entry, shape: tuple[int, ...]) -> str:
        """The ``--set`` under which the source's tensor has ``shape``; else which options there are; '' for none."""
        settings = dict(self._settings(entry, shape))
        if settings:
            said = " ".join(f"--set {name}={value}" for name, value in settings.items())
            return f"{said} if the model was built so"
        return self.general

    @property
    def general(self) -> str:
        """Which options there are; '' for none."""
        names = ", ".join(option for option in self.table.options if option not in self.table.lengths)
        return f"if the model was built with other options, say so with --set: {names}" if names else ""

    def _settings(self, entry: Entry, shape: tuple[int, ...]) -> list[tuple[str, int]]:
        options = self._axes.get(id(entry), {})
        known = {axis: size for axis, size in entry.layer.sizes.items() if axis not in options}
        try:
            sizes = entry.names[self.source].pattern.bind(shape, known)
        except LayoutError:
            return []
        return [(option, sizes[axis]) for axis, option in options.items() if axis in sizes]

    @cached_property
    def _axes(self) -> dict[int, dict[str, str]]:
        """By entry: axis → option, found by giving each option another value and looking at what changes."""
        found: dict[int, dict[str, str]] = {}
        for option, value in self.table.options.items():
            if type(value) is int and option not in self.table.lengths:
                for entry, other in zip(self.table.entries, self._entries_with(option), strict=False):
                    changed = {
                        axis: option for axis in entry.layer.sizes if other.layer.sizes.get(axis) == _ANOTHER != value
                    }
                    found.setdefault(id(entry), {}).update(changed)
        return found

    def _entries_with(self, option: str) -> tuple[Entry, ...]:
        try:
            return load_table(str(self.table.file), {**self.table.options, option: _ANOTHER}).entries
        except XframeError:
            return ()
