"""A graph held to the model that it was made from: in float32 by onnxruntime, in float64 by the reference evaluator."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from xframe.comparison import Comparison, Tolerance, compare_all, finite_or_none, incomparable
from xframe.errors import ModelError, printable
from xframe.proving.onnx.blame import Blame, blame
from xframe.proving.onnx.export import Export
from xframe.proving.onnx.weights import GraphWeights, weights_in
from xframe.proving.outputs import BothPrecisions
from xframe.proving.sides import Side
from xframe.tensors import Array

# onnxruntime fuses and reorders, so its float32 rounding is its own: of the size of the model's, but not the same. Ten
# times that and 16 units in the last place of the largest output leave room; a wrong operator is far outside.
NOISE_FACTOR = 10.0
ULPS = 16
_WORDS = 200  # characters of an error

# In float64 a graph is as exact as its numbers: constants are kept in float32, unexplained tensors may be rounded.
CONSTANTS = Tolerance(rtol=1e-7)
ROUNDED = Tolerance(rtol=1e-5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """A side that ran over the probe: its outputs in both precisions, channels first."""

    side: Side
    probe: Array
    outputs: BothPrecisions

    @property
    def noise(self) -> float:
        """Max |float32 − float64|: the model's own rounding."""
        return self.outputs.noise

    @property
    def bound(self) -> float:
        """How far onnxruntime may be from the float64 outputs."""
        return float32_bound(self.outputs.float64, self.outputs.float32)


def float32_bound(float64: Sequence[Array], float32: Sequence[Array]) -> float:
    """How far another float32 computation may be from ``float64``, of which ``float32`` is one."""
    noise = BothPrecisions(float64=float64, float32=float32).noise
    largest = max((float(np.abs(output).max(initial=0.0)) for output in float64), default=0.0)
    return NOISE_FACTOR * noise + ULPS * float(np.finfo(np.float32).eps) * largest


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What onnxruntime gave, with every optimisation or with none, for so many images."""

    optimised: bool
    batch: int
    comparison: Comparison

    def to_json(self) -> dict[str, Any]:
        asked = {"optimisation": "all" if self.optimised else "none", "batch": self.batch}
        return {**asked, **self.comparison.to_json(), "passed": bool(self.comparison)}

    def __str__(self) -> str:
        return f"batch {self.batch}, {'every optimisation' if self.optimised else 'no optimisation'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """One graph against the model that it was made from.

    ``noise`` is the model's own rounding noise, max |float32 − float64|; ``bound`` what onnxruntime may differ by.
    ``float64`` is the graph computed in float64, folds as float64 has them; None where that could not be, for
    ``unproven``. ``outputs`` are the graph's, channels first; float32 by onnxruntime with every optimisation.
    """

    export: Export
    runs: tuple[Run, ...]
    float64: Comparison | None
    unproven: str
    noise: float
    bound: float
    weights: GraphWeights
    blame: Blame | None
    seconds: float
    outputs: BothPrecisions = field(repr=False, compare=False)

    @property
    def implementation(self) -> str:
        return self.export.implementation

    @property
    def comparison(self) -> Comparison:
        """The worst of onnxruntime's runs."""
        return max((run.comparison for run in self.runs), key=lambda found: (not found.passed, found.max_abs))

    @property
    def bytes(self) -> int:
        return self.export.facts.nbytes

    def __bool__(self) -> bool:
        exact = self.float64 is None or bool(self.float64)
        return bool(self.comparison) and exact and not self.export.checker and not self.weights.altered

    def to_json(self) -> dict[str, Any]:
        return {
            **self.comparison.to_json(),
            "noise": finite_or_none(self.noise),
            "bound": finite_or_none(self.bound),
            "passed": bool(self),
            "reason": self.comparison.reason,
            "float64": None if self.float64 is None else self.float64.to_json(),
            "unproven": self.unproven,
            "runs": [run.to_json() for run in self.runs],
            "weights": self.weights.to_json(),
            "blame": None if self.blame is None else self.blame.to_json(),
            **self.export.to_json(),
            "seconds": round(self.seconds, 3),
        }


def hold(export: Export, native: Native) -> Parity:
    """Run a graph on what the model ran on, and on its first image alone; find out who is to blame if they differ."""
    started = time.perf_counter()
    graph, side = export.graph, native.side
    with side.scratch():
        runs, float32 = _runs(export, native)
        weights = weights_in(graph.path, side)
        exact, float64, unproven = _in_float64(export, native, weights)
        found = Parity(
            export=export, runs=runs, float64=float64, unproven=unproven, noise=native.noise, bound=native.bound,
            weights=weights, blame=None, seconds=0.0, outputs=BothPrecisions(float64=exact, float32=float32),
        )  # fmt: skip
        graph.forget()
        culprit = None if found else blame(found, native)
        return replace(found, blame=culprit, seconds=time.perf_counter() - started)


def _runs(export: Export, native: Native) -> tuple[tuple[Run, ...], tuple[Array, ...]]:
    """What onnxruntime gives with every optimisation and with none, for the whole batch and for one image."""
    table = native.side.table
    whole = export.given(native.probe, table.input_axes)
    runs: list[Run] = []
    all_outputs: list[tuple[Array, ...]] = []
    for images in dict.fromkeys((len(whole), 1) if export.any_batch or export.batch is None else (len(whole),)):
        expected = [output[:images] for output in native.outputs.float64]
        for optimised in (True, False):
            try:
                given = export.graph.run(whole[:images], optimised=optimised)
            except ModelError as error:  # an operator that onnxruntime does not know, shapes that do not fit
                all_outputs.append(())
                compared = incomparable(f"onnxruntime does not run it: {brief(error)}")
            else:
                all_outputs.append(export.channels_first(given, table.output_axes))
                compared = _compared(expected, all_outputs[-1], native.bound)
            runs.append(Run(optimised=optimised, batch=images, comparison=compared))
    return tuple(runs), all_outputs[0]


def _compared(expected: Sequence[Array], outputs: Sequence[Array], bound: float) -> Comparison:
    """Within the bound; a model that gives NaN or Inf in float32 has none, and proves nothing of its export."""
    if not np.isfinite(bound):
        return incomparable(
            "the model's own float32 outputs do not compare with its float64 ones, so there is no bound"
        )
    return compare_all(expected, outputs, Tolerance(atol=bound, rtol=0.0))


def _in_float64(
    export: Export, native: Native, weights: GraphWeights
) -> tuple[tuple[Array, ...], Comparison | None, str]:
    """The graph's outputs in float64, how they compare, or why there are none."""
    table = native.side.table
    try:
        computed = export.graph.compute(export.given(native.probe, table.input_axes), weights.folds)
    except ModelError as error:
        return (), None, f"not computed in float64: {brief(error)}"
    outputs = export.channels_first(computed, table.output_axes)
    tolerance = ROUNDED if weights.unexplained else CONSTANTS
    return outputs, compare_all(native.outputs.float64, outputs, tolerance), ""


def brief(error: ModelError) -> str:
    """The evaluator's own words, as many as fit in a line: it lists every value that it knows."""
    said = printable(str(error)).partition("': ")[2].partition("\n")[0] or str(error)
    return said if len(said) <= _WORDS else f"{said[:_WORDS]}…"
