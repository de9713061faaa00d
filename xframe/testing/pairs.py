"""One pair of columns put to the test: ported, proven, and held against each other layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xframe import checkpoints
from xframe.comparison import Tolerance
from xframe.digests import digest
from xframe.mapping import Option, load_table
from xframe.proving.verdict import EQUIVALENT
from xframe.report.diffs import render_diff
from xframe.report.text import plain, render_port
from xframe.workers import Pool
from xframe.workflows.diff import DiffOptions, diff
from xframe.workflows.port import PortOptions, port


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """What is asked of a pair. ``weights`` are a file of the source, or None for random ones from ``seed``.

    ``format`` is the ending of the ported file, "" for the target's own. ``round_trip`` wants the way back to be exact
    to the bit. The others are those of DiffOptions and PortOptions.
    """

    tolerance: Tolerance = field(default_factory=Tolerance)
    seed: int = 0
    weights: Path | None = None
    input: Path | None = None
    gradients: bool = False
    train_steps: int = 0
    optimizer: str = "momentum"
    onnx: bool = False
    format: str = ""
    round_trip: bool = False
    set: Mapping[str, Option] = field(default_factory=dict)


def failure_of(model: str, source: str, target: str, how: How, *, pool: Pool, folder: Path) -> str:
    """Why ``target`` is not what ``source`` is, as ``xframe diff`` and ``xframe port`` say it; "" where it is.

    Files go into ``folder``. Raises PlanError, ModelError and the others of xframe.errors.
    """
    options = PortOptions(
        weights=how.weights, out=folder / f"ported{how.format or _native(model, target, how)}", seed=how.seed,
        tolerance=how.tolerance, input=how.input, onnx=how.onnx, set=how.set,
    )  # fmt: skip
    ported = port(model, source, target, options, pool=pool)
    compared = diff(model, source, target, _diff_options(how), pool=pool)
    said = [] if compared else [plain(render_diff(compared))]
    if ported.verdict != EQUIVALENT and (compared or how.onnx):
        said.append(plain(render_port(ported)))
    if not said and how.round_trip:
        said += _round_trip(model, (source, target), how, pool, folder)
    return "\n\n".join(said)


def _diff_options(how: How) -> DiffOptions:
    return DiffOptions(
        source_weights=how.weights, seed=how.seed, tolerance=how.tolerance, input=how.input,
        gradients=how.gradients, train_steps=how.train_steps, optimizer=how.optimizer, set=how.set,
    )  # fmt: skip


def _native(model: str, column: str, how: How) -> str:
    """The ending of the files that a column's framework loads by itself."""
    return load_table(model, how.set).implementation(column).framework.extensions[0]


def _round_trip(model: str, ends: tuple[str, str], how: How, pool: Pool, folder: Path) -> Iterator[str]:
    """From a file of the source's own format to the target and back; a line if the two files differ."""
    here, there = (_native(model, end, how) for end in ends)
    first, second, third = folder / f"first{here}", folder / f"second{how.format or there}", folder / f"third{here}"
    start = {"seed": how.seed, "set": how.set, "verify": False}
    port(model, ends[0], ends[0], PortOptions(weights=how.weights, out=first, **start), pool=pool)  # type: ignore[arg-type]
    port(model, *ends, PortOptions(weights=first, out=second, **start), pool=pool)  # type: ignore[arg-type]
    port(model, ends[1], ends[0], PortOptions(weights=second, out=third, **start), pool=pool)  # type: ignore[arg-type]
    before, after = _digests(first), _digests(third)
    apart = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if apart:
        yield (
            f"{ends[0]} → {ends[1]} → {ends[0]}: {len(apart)} of {len(before)} tensors do not come back to the bit, "
            f"such as {apart[0]}."
        )


def _digests(path: Path) -> dict[str, tuple[tuple[int, ...], str, str]]:
    """A weight file as name → shape, dtype and digest: equal only where every bit is."""
    held = checkpoints.read(path).tensors
    return {name: (tensor.spec.shape, tensor.spec.dtype, digest(tensor.array())) for name, tensor in held.items()}
