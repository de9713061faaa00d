"""`python -m judge [--mutants N] [--seed S] [--out FILE.md]`: mutants of right ports, which the diff must catch.

Ends with 1 if one passed silently or the diff crashed over it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from judge.bench import KINDS, Bench
from judge.mutant import Judged, Place
from judge.page import page
from xframe.mapping import Option
from xframe.workers import Pool

# The smallest images at which the last map of a network still has more than one pixel: on one pixel a kernel of 3 × 3
# is only its middle, and a mean is a maximum.
SMALL: Mapping[str, Mapping[str, Option]] = {
    "lenet5_maxavg": {},
    "resnet18": {"num_classes": 10, "size": 64},
    "mobilenet_v2": {"num_classes": 10, "size": 64},
    "densenet121": {"num_classes": 10, "size": 64},
    "googlenet": {"num_classes": 10, "size": 32},
    "vgg11": {"num_classes": 10, "size": 64, "hidden1": 64, "hidden2": 32},
}
PAIRS = (("paddle", "torch"), ("torch", "keras"), ("keras", "paddle"))  # each once as source and once as target
ROOT = Path(__file__).parents[1]


def main() -> None:
    """Judge, print as it goes, write the page."""
    parser = argparse.ArgumentParser(prog="judge", description=__doc__)
    parser.add_argument("--mutants", type=int, default=300, metavar="N", help="how many in all")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--models", nargs="*", choices=list(SMALL), default=list(SMALL))
    parser.add_argument("--out", type=Path, metavar="FILE.md")
    arguments = parser.parse_args()
    began = time.perf_counter()
    places = [Place(model=model, source=one, target=other) for model in arguments.models for one, other in PAIRS]
    judged: list[Judged] = []
    with judging() as pool:
        for place, count in zip(places, shares(arguments.mutants, len(places)), strict=True):
            for found in mutants(pool, place, SMALL[place.model], count, arguments.seed, first=len(judged) + 1):
                print(line(found), flush=True)
                judged.append(found)
    text = page(judged, arguments.seed, time.perf_counter() - began)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
    passed = [found for found in judged if found.passed_silently or found.crash]
    print(f"{len(judged)} mutants, {len(passed)} passed silently or crashed")
    sys.exit(bool(passed))


def judging() -> Pool:
    """Workers that find the judge's networks."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return Pool()


def shares(count: int, places: int) -> list[int]:
    """``count`` mutants over the places, as evenly as it goes."""
    return [count // places + (index < count % places) for index in range(places)]


def mutants(
    pool: Pool, place: Place, options: Mapping[str, Option], count: int, seed: int, *, first: int = 1
) -> Iterator[Judged]:
    """So many mutants of one place, judged; of each kind in turn until there is none left of any.

    Which ones depends on the place and the seed alone: `--models resnet18` draws those of resnet18 again.
    """
    with tempfile.TemporaryDirectory(prefix="xframe-judge-") as folder:
        bench = Bench(pool, place, options, Path(folder), seed)
        turned = zlib.crc32(str(place).encode()) % len(KINDS)  # not every place begins with the same kind
        kinds, number = [*KINDS[turned:], *KINDS[:turned]], first
        while kinds and number < first + count:
            for kind in list(kinds):
                found = bench.judge(kind, number) if number < first + count else None
                if found is not None:
                    number += 1
                    yield found
                elif number < first + count:
                    kinds.remove(kind)
        bench.release()


def line(found: Judged) -> str:
    """One mutant, in a line."""
    seen = [("outputs", found.by_outputs), ("layers", found.by_layers), ("files", found.files)]
    words = [found.verdict, "by " + ", ".join(word for word, by in seen if by) if found.caught else "unseen"]
    words += ["located" if found.located else f"at {found.found or 'no layer'}, not {found.expected}"]
    words += [cause + ("" if sure else " (not confirmed)") for cause, sure in found.causes]
    return f"{found.mutant.number:>4} {found.seconds:5.1f} s  {found.mutant}: {'; '.join(words)} {found.crash}"


if __name__ == "__main__":
    main()
