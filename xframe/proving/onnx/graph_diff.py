"""A graph held against a model, or against another graph, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xframe.comparison import Comparison, Tolerance, compare_all, finite_or_none
from xframe.errors import ModelError
from xframe.proving.causes import Cause, diagnose_outputs
from xframe.proving.divergence import Divergence
from xframe.proving.onnx.blame import Blame
from xframe.proving.onnx.export import Export
from xframe.proving.onnx.parity import ROUNDED, Native, Parity, brief, float32_bound
from xframe.proving.verdict import DIFFERENT, EQUIVALENT
from xframe.tensors import Array


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class GraphDiff:
    """A source and a target, one of them a graph or both. ``float64`` is None where a graph has none.

    ``float32`` is held to ``bound``. ``parity`` is there where one of them is a model.
    """

    model: str
    source: str
    target: str
    weights: str
    float64: Comparison | None
    float32: Comparison
    bound: float
    first_divergence: Divergence | None
    parity: Parity | None
    checker: Mapping[str, str]
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        exact = self.float64 is None or bool(self.float64)
        held = self.parity is None or bool(self.parity)
        return exact and bool(self.float32) and held and not any(self.checker.values())

    def __repr__(self) -> str:
        return f"<GraphDiff {self.model} {self.source} → {self.target}: {self.verdict}>"

    def __str__(self) -> str:
        """What `xframe diff` says, in a few lines."""
        said = [f"{self.model} {self.source} → {self.target}: {self.verdict}", f"float64: {self.float64}"]
        said.append(f"float32: {self.float32}")
        said += [f"first divergence: {self.first_divergence}"] if self.first_divergence is not None else []
        return "\n".join([*said, *self.notes])

    @property
    def blame(self) -> Blame | None:
        return None if self.parity is None else self.parity.blame

    @property
    def verdict(self) -> str:
        return EQUIVALENT if self else DIFFERENT

    @property
    def exit_code(self) -> int:
        return 0 if self else 1

    def to_json(self) -> dict[str, Any]:
        """The object that ``--json`` prints."""
        return {
            "command": "diff",
            "model": self.model,
            "source": self.source,
            "target": self.target,
            "verdict": self.verdict,
            "weights": self.weights,
            "float64": None if self.float64 is None else self.float64.to_json(),
            "float32": {**self.float32.to_json(), "bound": finite_or_none(self.bound)},
            "first_divergence": None if self.first_divergence is None else self.first_divergence.to_json(),
            "blame": None if self.blame is None else self.blame.to_json(),
            "onnx": None if self.parity is None else self.parity.to_json(),
            "checker": dict(self.checker),
            "problems": [],
            "notes": list(self.notes),
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "versions": {name: dict(found) for name, found in self.versions.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The figures of a GraphDiff, however they came about."""

    float64: Comparison | None
    float32: Comparison
    bound: float
    divergence: Divergence | None
    notes: tuple[str, ...] = ()


def of_parity(parity: Parity, native: Native, *, model_is_source: bool) -> Compared:
    """A model and a graph."""
    exact, culprit = parity.float64, parity.blame
    divergence = None
    if culprit is not None:
        name = native.side.implementation.name
        causes = culprit.causes or _of_outputs(parity, native)
        ends = culprit.layer or name, f"{culprit.operator} {culprit.node}".strip() or parity.implementation
        here, there = ends if model_is_source else ends[::-1]
        apart = exact if exact is not None and not exact else parity.comparison
        divergence = Divergence(
            layer=culprit.place or "output", source_name=here, target_name=there, comparison=apart, causes=causes
        )
    return Compared(
        float64=exact,
        float32=parity.comparison,
        bound=parity.bound,
        divergence=divergence,
        notes=(parity.unproven,) if parity.unproven else (),
    )


def _of_outputs(parity: Parity, native: Native) -> tuple[Cause, ...]:
    """A softmax on one side, permuted outputs, and the like."""
    outputs = parity.outputs.float64 or parity.outputs.float32
    ends = native.side.implementation.name, parity.implementation
    return diagnose_outputs(tuple(native.outputs.float64), tuple(outputs), ends, Tolerance())


def of_graphs(one: Export, other: Export, inputs: tuple[Sequence[Array], Sequence[Array]]) -> Compared:
    """Two graphs, each with what it reads; where the second leaves the first is found by the first's values."""
    first, second = inputs
    here, there = (
        export.channels_first(_run(export, given)) for export, given in zip((one, other), inputs, strict=True)
    )
    for export in (one, other):
        export.graph.forget()
    try:
        exact, theirs = (
            export.channels_first(export.graph.compute(given, {})) for export, given in ((one, first), (other, second))
        )
    except ModelError as error:
        tolerance = Tolerance(rtol=1e-4)
        float32 = compare_all(here, there, tolerance)
        note = f"not computed in float64, so float32 is held to 1e-4 of the largest output: {brief(error)}"
        return Compared(float64=None, float32=float32, bound=tolerance.rtol, divergence=None, notes=(note,))
    bound = float32_bound(exact, here) + float32_bound(theirs, there)
    float64 = compare_all(exact, theirs, ROUNDED)
    return Compared(
        float64=float64,
        float32=compare_all(here, there, Tolerance(atol=bound, rtol=0.0)),
        bound=bound,
        divergence=None if float64 else _first(one, other, first, second, float64),
    )


def _run(export: Export, given: Sequence[Array]) -> list[Array]:
    try:
        return export.graph.run(given, optimised=True)
    except ModelError as error:
        checker = f" onnx.checker says: {export.checker.rstrip('.')}." if export.checker else ""
        says = f"{brief(error).rstrip('.')}.{checker}"
        raise ModelError(
            f"{export.implementation} was expected to run in onnxruntime, which says: {says} "
            "Try: export it anew, or with another opset."
        ) from error


def _first(
    one: Export, other: Export, first: Sequence[Array], second: Sequence[Array], apart: Comparison
) -> Divergence:
    """Where ``other`` leaves ``one``."""
    place = other.graph.follow(second, {}, one.graph.values(first), {}, {})
    if place is None:
        return Divergence(layer="output", source_name="output", target_name="output", comparison=apart)
    causes = (Cause(cause=place.cause, detail=f"{place.detail}.", confirmed=True),) if place.cause else ()
    node = f"{place.operator} {place.node}".strip()
    return Divergence(
        layer=place.layer or "output", source_name=place.layer or "output", target_name=node, comparison=apart,
        causes=causes,
    )  # fmt: skip
