"""docs/faults.md: every fault on every pair, planted anew, and what was said of it."""

import argparse
import os
import re
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from bench import Bench
from fault import cases
from planted import SIX

from xframe.workers import Pool

ALL = "all six"
MISSED = "**missed**"
SECTIONS = {
    "A": "Names",
    "B": "Layout and shape",
    "C": "The same weights in another layer",
    "D": "Training",
    "E": "The check itself",
}
HEAD = """# Faults that are caught

A proof is worth what it refuses. Each fault here has happened to somebody who moved weights between frameworks. It is
planted in one of three small networks, which are otherwise equal, or in the table or the file between them; gates,
fused projections and embeddings (B2, B6, B7) in three networks over token ids. Then xframe is asked: what does it say,
where, and why? `make faults` plants them all again and writes this page; CI plants each at
least once on either side.

- *planted in*: the side that has the fault. *pairs*: source → target.
- *located at*: the first layer that parts (`bn1 / bn2`: on either side), or what a refusal names.
- *cause*: in a word, as `--json` has it; of a refusal, the kinds of its problems.
- *confirmed*: the layer agreed once the cause was taken away. A refusal runs nothing.

[Diagnosing a port](diagnosing.md) shows what it looks like.
"""
COLUMNS = ("", "fault", "planted in", "pairs", "verdict", "located at", "cause", "confirmed")


def main(faults):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    os.environ["PYTHONPATH"] = f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    with Pool() as pool, tempfile.TemporaryDirectory() as folder:
        bench, todo = Bench(pool, Path(folder)), cases(faults)
        found = {case: observed(case, bench) for case in told(todo)}
    out.write_text(page(found), encoding="utf-8")
    missed = [case for case, cells in found.items() if MISSED in cells]
    raise SystemExit("\n".join(f"missed: {case} {case.fault.name}" for case in missed) or 0)


def told(todo):
    """The cases, each counted on stderr."""
    for index, case in enumerate(todo):
        print(f"\r{index + 1} of {len(todo)}", end="", file=sys.stderr)
        yield case


def observed(case, bench):
    """Verdict, location, cause and confirmation as cells of the page."""
    outcome, text = case(bench)
    words = " ".join(text.split())
    says = all(re.search(pattern.format(there=case.spoilt, other=case.right), words) for pattern in case.fault.says)
    sure = {True: "yes", False: "no", None: ""}[outcome.confirmed] if outcome.cause else ""
    verdict = outcome.verdict if outcome == case.fault.expected and says else MISSED
    return verdict, outcome.at, outcome.cause, sure


def page(found):
    """The page: pairs on which the same was said share a row."""
    grouped = defaultdict(list)
    for case, cells in found.items():
        grouped[case.fault.id, case.fault.name, case.end, cells].append((case.source, case.target))
    parts, sections = [HEAD], defaultdict(list)
    for (number, name, end, cells), pairs in grouped.items():
        spoken = ALL if set(pairs) == set(SIX) else ", ".join(" → ".join(pair) for pair in pairs)
        sections[number[0]].append((number, name, end, spoken, *cells))
    for letter, rows in sections.items():
        lines = [line(COLUMNS), line(["---"] * len(COLUMNS)), *map(line, rows)]
        parts.append(f"## {letter}. {SECTIONS[letter]}\n\n" + "\n".join(lines) + "\n")
    runs = len(found)
    parts.append(f"{len({(c.fault.id, c.fault.name) for c in found})} faults, planted {runs} times.\n")
    return "\n".join(parts)


def line(cells):
    return f"| {' | '.join(cells)} |"


def rows_on(text):
    """The rows of the page's tables, as tuples of cells."""
    found = re.findall(r"^\| ([A-Z]\d+ \|.*) \|$", text, re.MULTILINE)
    return [tuple(cell.strip() for cell in f"{row} ".split("|")) for row in found]


def pairs_on(row):
    """The pairs that a row is about."""
    return SIX if row[3] == ALL else [tuple(pair.split(" → ")) for pair in row[3].split(", ")]
