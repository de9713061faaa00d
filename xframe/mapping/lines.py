"""A TOML file that is changed line by line: what nobody changes stays as it was written, comments and order too.

tomlkit would do it too, but puts a new key behind the blank lines and comments that stand before the next header, so
that a comment comes to belong to the row before its own.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterable, Sequence
from typing import Any

from xframe.mapping.places import Path, Places

_KEY = re.compile(r"""^(\s*)("[^"]*"|'[^']*'|[A-Za-z0-9_-]+)(\s*=\s*)""")
_MOST = 200  # lines of one value


class Unplaced(Exception):
    """What is to be changed has no line of its own: it stands in an inline table, or under dotted keys."""


class Lines:
    """The lines of a file and changes to them. ``data`` is what the file is to say in the end."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._places = Places.of("", text).lines
        self._changes: list[tuple[int, int, list[str]]] = []
        self.data: dict[str, Any] = copy.deepcopy(tomllib.loads(text))

    def text(self) -> str:
        """The changed file. Raises Unplaced where its lines would not say what they should."""
        lines = list(self._lines)
        last_first = sorted(enumerate(self._changes), key=lambda change: (change[1][0], change[0]), reverse=True)
        for _, (start, end, new) in last_first:
            lines[start:end] = new
        text = "\n".join(lines) + "\n"
        try:
            said = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise Unplaced from error
        if said != self.data:
            raise Unplaced
        return text

    def put(self, section: Path, key: str, value: str, behind: Iterable[str] = ()) -> None:
        """Give a key of a section a value, as TOML. A new key comes behind the last of the keys ``behind``."""
        name = next(iter(tomllib.loads(f"{key} = 0")))
        self._at(section)[name] = tomllib.loads(f"_ = {value}")["_"]
        if (*section, name) in self._places:
            start, end = self._statement((*section, name))
            found = _KEY.match(self._lines[start])
            if found is None:
                raise Unplaced
            self._changes.append((start, end, [f"{found[0]}{value}{self._comment(start, end)}"]))
            return
        others = [self._statement((*section, other)) for other in behind if (*section, other) in self._places]
        if not others:
            raise Unplaced
        start, end = max(others)
        found = _KEY.match(self._lines[start])
        if found is None:
            raise Unplaced
        width = len(found[2]) + len(found[3].partition("=")[0]) - 1
        self._changes.append((end, end, [f"{found[1]}{key:<{width}} = {value}"]))

    def above(self, section: Path, lines: Sequence[str]) -> None:
        """Comments right above a header."""
        start = self._line(section)
        self._changes.append((start, start, list(lines)))

    def below(self, section: Path, lines: Sequence[str]) -> None:
        """Lines behind all that a section and those in it say; ``data`` is the caller's."""
        end = self._end(section)
        self._changes.append((end, end, list(lines)))

    def instead(self, section: Path, lines: Sequence[str]) -> None:
        """Lines in place of a whole section; ``data`` is the caller's."""
        self._changes.append((self._line(section), self._end(section), list(lines)))

    def at_the_end(self, lines: Sequence[str]) -> None:
        """Lines behind everything."""
        self._changes.append((len(self._lines), len(self._lines), list(lines)))

    def _at(self, section: Path) -> dict[str, Any]:
        found: Any = self.data
        for step in section:
            found = found[step]
        if not isinstance(found, dict):
            raise Unplaced
        return found

    def _line(self, path: Path) -> int:
        if path not in self._places:
            raise Unplaced
        return self._places[path] - 1

    def _end(self, section: Path) -> int:
        """The line behind the last header or statement of a section."""
        inside = [path for path in self._places if path[: len(section)] == section]
        last = max(inside, key=self._places.__getitem__, default=None)
        if last is None:
            raise Unplaced
        start = self._line(last)
        return start + 1 if self._lines[start].lstrip().startswith("[") else self._statement(last)[1]

    def _statement(self, path: Path) -> tuple[int, int]:
        """The lines of a key and its value."""
        start = self._line(path)
        for end in range(start + 1, min(start + _MOST, len(self._lines)) + 1):
            try:
                tomllib.loads("\n".join(self._lines[start:end]))
            except tomllib.TOMLDecodeError:
                continue
            return start, end
        raise Unplaced

    def _comment(self, start: int, end: int) -> str:
        """The comment behind a statement, with the blanks before it."""
        *before, last = self._lines[start:end]
        said = tomllib.loads("\n".join((*before, last)))
        for place in (place for place, letter in enumerate(last) if letter == "#"):
            try:
                if tomllib.loads("\n".join((*before, last[:place]))) == said:
                    return last[len(last[:place].rstrip()) :]
            except tomllib.TOMLDecodeError:
                continue
        return ""
