"""A page of rows, some for each architecture: written anew for one of them, while the others' stay."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Page:
    """A document: its head, a line of counts, the rows, and what is written by hand, from the line ``by_hand`` on."""

    head: str
    columns: str
    rule: str
    counts: Callable[[Sequence[Sequence[str]]], str]
    by_hand: str = ""

    def write(self, path: Path, model: str, rows: Sequence[str]) -> None:
        """Put one architecture's rows into the document at ``path``, in place of its former ones."""
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        table, written = before.split(self.by_hand, 1) if self.by_hand and self.by_hand in before else (before, None)
        old = (line for line in table.splitlines() if line.startswith("| ") and line != self.columns)
        kept = [line for line in old if not line.startswith(f"| {model} |")]
        lines = sorted([*kept, *rows], key=lambda line: cells(line)[0])
        end = [] if written is None else ["", f"{self.by_hand}{written}".rstrip()]
        text = "\n".join(
            [self.head, self.counts([cells(line) for line in lines]), "", self.columns, self.rule, *lines, *end]
        )
        path.write_text(text + "\n", encoding="utf-8")


def cells(row: str) -> list[str]:
    """A row's cells; the first is the architecture."""
    return [cell.strip() for cell in row.strip().strip("|").split(" | ")]


def models(rows: Sequence[Sequence[str]]) -> int:
    """How many architectures have rows."""
    return len({row[0] for row in rows})


def parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """What every catalogue is asked: which models, at what size, and where to write."""
    asked = argparse.ArgumentParser(prog=f"benchmarks.{module}", description=description)
    asked.add_argument("models", nargs="*", metavar="MODEL", help="names or paths of tables; all of them by default")
    asked.add_argument("--size", type=int, metavar="N", help="images of N × N, where a table leaves their size open")
    asked.add_argument("--out", type=Path, metavar="FILE.md", help="also write the rows here; other models' stay")
    return asked
