"""Where things stand in a TOML file. tomllib gives values without lines; a message needs ``resnet18.toml:42``."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass

Path = tuple[str | int, ...]
_HEADER = re.compile(r"^\s*(\[\[?)(.+?)\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""^\s*(?P<key>"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)\s*[=.]""")


@dataclass(frozen=True, slots=True)
class Places:
    """The line of every header and key of one TOML file."""

    file: str
    lines: dict[Path, int]

    @classmethod
    def of(cls, file: str, text: str) -> Places:
        lines: dict[Path, int] = {}
        seen: Counter[str] = Counter()
        here: Path = ()
        for number, line in enumerate(text.splitlines(), start=1):
            if header := _HEADER.match(line):
                here = _header_path(header[1], header[2], seen)
                lines.setdefault(here, number)
            elif key := _KEY.match(line):
                lines.setdefault((*here, key["key"].strip("\"'")), number)
        return cls(file, lines)

    def describe(self, path: Path) -> str:
        """``file:line key.path``, with the line of the nearest enclosing key that has one."""
        line = next((self.lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.lines), None)
        return (self.file if line is None else f"{self.file}:{line}") + (f" {_dotted(path)}" if path else "")


def _header_path(brackets: str, inside: str, seen: Counter[str]) -> Path:
    keys = _split(inside)
    if brackets == "[[":
        seen[keys[0]] += 1
    path: list[str | int] = [keys[0]]
    if seen[keys[0]]:
        path.append(seen[keys[0]] - 1)
    return (*path, *keys[1:])


def _split(dotted: str) -> list[str]:
    """The keys of a header, quoted ones included: tomllib reads them, so its rules are TOML's."""
    try:
        node = tomllib.loads(f"[{dotted}]")
    except tomllib.TOMLDecodeError:
        return [dotted]
    keys = []
    while node:
        key, node = next(iter(node.items()))
        keys.append(key)
    return keys


def _dotted(path: Path) -> str:
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            quoted = key if re.fullmatch(r"[\w-]+", key) else f'"{key}"'
            text += f".{quoted}" if text else quoted
    return text
