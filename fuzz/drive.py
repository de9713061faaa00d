"""One run of libFuzzer in this process: ``python -m fuzz.drive TARGET SCRATCH [libFuzzer's options] FOLDER …``."""

from __future__ import annotations

import random
import sys
import time
import warnings
from pathlib import Path

import atheris

_LONGEST = 2.0  # seconds of the processor for one input: a busy machine is no finding


def main(arguments: list[str]) -> None:
    """Instruments the readers alone, and feeds one of them until libFuzzer has had enough."""
    name, scratch, *options = arguments
    with atheris.instrument_imports(include=["xframe.checkpoints"]):
        from fuzz.mutators import MUTATORS  # noqa: PLC0415 - what is imported here is instrumented
        from fuzz.targets import TARGETS  # noqa: PLC0415
    target, folder = TARGETS[name], Path(scratch)
    warnings.simplefilter("error")

    def once(data: bytes) -> None:
        start = time.process_time()
        target.holds(folder, data)
        assert time.process_time() - start < _LONGEST, "too long for so short a file"

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        return MUTATORS[target.mutator](data, most, random.Random(seed), atheris.Mutate)  # noqa: S311 - no secret

    atheris.Setup([name, *options], once, custom_mutator=mutated if target.mutator else None)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
