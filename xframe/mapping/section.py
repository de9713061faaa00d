"""Typed getters over parsed TOML that collect every problem with its place instead of stopping at the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from xframe.errors import Problem, XframeError
from xframe.mapping.places import Path, Places

T = TypeVar("T")


@dataclass(slots=True)
class Section:
    """One TOML table being read. Keys that nobody asked for are reported by ``finish``."""

    data: dict[str, Any]
    path: Path
    places: Places
    problems: list[Problem]
    asked: set[str] = field(default_factory=set)

    def problem(self, detail: str, *keys: str | int, suggestion: str = "") -> None:
        """Record, once, that something at ``keys`` below this section is wrong."""
        place = self.places.describe((*self.path, *keys))
        problem = Problem(kind="table", tensor=place, detail=detail, suggestion=suggestion)
        if problem not in self.problems:
            self.problems.append(problem)

    def take(self, key: str, kind: type[T], default: T) -> T:
        """The value of ``key``, or ``default`` where it is absent; a value of another type is a problem."""
        self.asked.add(key)
        value = self.data.get(key, default)
        if isinstance(value, bool) and kind is not bool:
            value = None
        if isinstance(value, kind):
            return value
        self.problem(f"expected {_named(kind)}, found {self.data[key]!r}", key)
        return default

    def require(self, key: str, kind: type[T], default: T) -> T:
        """Like ``take``, but the key must be there."""
        if key not in self.data:
            self.asked.add(key)
            self.problem(f"the key '{key}' is missing")
            return default
        return self.take(key, kind, default)

    def choice(self, key: str, choices: tuple[str, ...], default: str = "") -> str:
        """One of ``choices``; where the key is absent ``default``, or the first."""
        value = self.take(key, str, default or choices[0])
        if value in choices:
            return value
        self.problem(f"expected one of {', '.join(choices)}; found '{value}'", key)
        return default or choices[0]

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings, empty where it is absent."""
        values = self.take(key, list, [])
        good = tuple(value for value in values if isinstance(value, str))
        if len(good) != len(values):
            self.problem(f"expected a list of strings, found {values!r}", key)
        return good

    def section(self, key: str) -> Section:
        """The table under ``key``, empty where it is absent."""
        return Section(self.take(key, dict, {}), (*self.path, key), self.places, self.problems)

    def sections(self, key: str) -> Iterator[Section]:
        """The tables of an array of tables."""
        for index, value in enumerate(self.take(key, list, [])):
            path = (*self.path, key, index)
            if isinstance(value, dict):
                yield Section(value, path, self.places, self.problems)
            else:
                self.problem(f"expected a table, found {value!r}", key, index)

    def children(self, *beside: str) -> Iterator[tuple[str, Section]]:
        """Every key of this table, ``beside`` those named, as a table of its own."""
        for key in self.data:
            if key not in beside:
                yield key, self.section(key)

    def attempt(self, call: Callable[[], T], default: T, *keys: str) -> T:
        """The result of ``call``; a ValueError or XframeError of its becomes a problem at ``keys``."""
        try:
            return call()
        except (XframeError, ValueError) as error:
            self.problem(str(error), *keys)
            return default

    def finish(self) -> None:
        """Report the keys that nobody asked for."""
        for key in self.data.keys() - self.asked:
            self.problem(f"unknown key '{key}'", key, suggestion=f"known here: {', '.join(sorted(self.asked))}")


def _named(kind: type) -> str:
    names = {
        str: "a string",
        int: "a whole number",
        float: "a number",
        dict: "a table",
        list: "a list",
        bool: "true or false",
    }
    return names.get(kind, kind.__name__)
