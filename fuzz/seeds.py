"""Where seeds and findings lie: small files, one folder a kind, replayed by the tests and fed to the fuzzer."""

from __future__ import annotations

import shutil
from pathlib import Path

from fuzz.targets import Target

HERE = Path(__file__).parent
SEEDS = HERE / "seeds"


def folders(target: Target) -> list[Path]:
    """The folders of a target's seeds, in a fixed order."""
    return sorted({folder for pattern in target.seeds for folder in SEEDS.glob(pattern) if folder.is_dir()})


def files(target: Target) -> list[Path]:
    """A target's seeds, in a fixed order."""
    return [file for folder in folders(target) for file in sorted(folder.iterdir())]


def prepare(target: Target, scratch: Path) -> Path:
    """Puts what the target needs beside its input into the scratch folder."""
    if target.beside:
        shutil.copytree(HERE / "beside" / target.beside, scratch, dirs_exist_ok=True)
    return scratch
