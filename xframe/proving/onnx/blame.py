"""Who is to blame where a graph does not compute what its model does, and where: exporter, onnxruntime, optimiser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xframe.errors import printable
from xframe.proving.causes import Cause
from xframe.proving.onnx.graph import Left

if TYPE_CHECKING:
    from xframe.proving.onnx.parity import Native, Parity
    from xframe.proving.onnx.weights import GraphWeights

_SOME = 4  # tensors that are named
RUNTIME, OPTIMISER = "onnxruntime", "onnxruntime's optimisations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """``party`` changed the numbers, first at a node of the graph, where a layer's value should be; "" if not known.

    ``because`` says how that is known.
    """

    party: str
    because: str
    node: str = ""
    operator: str = ""
    layer: str = ""
    behind: str = ""
    causes: tuple[Cause, ...] = ()

    def to_json(self) -> dict[str, Any]:
        names = ("party", "because", "node", "operator", "layer", "behind")
        return {**{name: getattr(self, name) for name in names}, "causes": [cause.to_json() for cause in self.causes]}

    @property
    def place(self) -> str:
        """The node and the layer, in words; "" where neither is known."""
        if not self.node and not self.operator:
            return ""
        node = f"the {self.operator} {self.node!r}" if self.node else f"a {self.operator} without a name"
        layer = f", where the model has {self.layer}" if self.layer else ""
        behind = f", behind {self.behind}" if self.behind and self.behind != self.layer else ""
        return f"{node}{layer}{behind}"

    def __str__(self) -> str:
        place = f" at {self.place}" if self.place else ""
        return "\n".join([f"{self.party}{place}: {self.because}", *(f"  {cause}" for cause in self.causes)])


def blame(parity: Parity, native: Native) -> Blame:
    """Hold the parts that a wrong number can come from apart."""
    exporter, exact = parity.export.exporter, parity.float64
    if parity.export.checker:
        return Blame(party=exporter, because=f"onnx.checker refuses it: {parity.export.checker}")
    if exact is None:
        because = f"they cannot be held apart, for the graph was {parity.unproven}"
        return _at_its_node(parity, native, f"{exporter} or {RUNTIME}", because)
    if not exact:
        because = f"computed node by node in float64, it is not the model ({exact})"
        return _at_its_node(parity, native, exporter, because)
    if parity.weights.altered:
        return _at_its_node(parity, native, exporter, "it does not hold the model's weights")
    if any(not run.comparison for run in parity.runs if not run.optimised):
        return _fixed_batch(parity) or Blame(
            party=RUNTIME, because=f"in float64 its graph is the model ({exact}), but not in onnxruntime"
        )
    return Blame(party=OPTIMISER, because="without optimisations onnxruntime gives what the model does")


def _at_its_node(parity: Parity, native: Native, party: str, because: str) -> Blame:
    """The first node that leaves the model, with what was found there and in the weights."""
    altered = _altered(parity.weights)
    left = _left(parity, native) if parity.float64 is not None else None
    if left is None:
        return Blame(party=party, because=because, causes=tuple(altered or _others(parity.weights)))
    found = [] if not left.cause or altered else [Cause(cause=left.cause, detail=f"{left.detail}.", confirmed=True)]
    found = found or ([] if altered else _others(parity.weights))
    return Blame(
        party=party, because=because, node=left.node, operator=left.operator, layer=left.layer, behind=left.behind,
        causes=(*altered, *found),
    )  # fmt: skip


def _fixed_batch(parity: Parity) -> Blame | None:
    export = parity.export
    if export.batch is None or not export.any_batch:
        return None
    because = f"it takes {export.batch} images and no other number, though it was asked to take any"
    return Blame(party=export.exporter, because=because)


def _altered(weights: GraphWeights) -> list[Cause]:
    """Tensors that should hold something else; those that are in float16 are one cause."""
    half = [one.initialiser for one in weights.altered if one.half]
    said = [
        Cause(
            cause="altered weights",
            detail=f"{one}.",
            confirmed=True,
            change=f"look at what wrote {printable(one.initialiser)}",
        )
        for one in weights.altered
        if not one.half
    ]
    if half:
        detail = f"{len(half)} initialisers hold the model's tensors rounded to float16: {_named(half)}."
        said.append(Cause(cause="float16", detail=detail, confirmed=True, change="export the model in float32"))
    return said


def _named(names: Sequence[str]) -> str:
    return printable(", ".join(names[:_SOME])) + (" …" if len(names) > _SOME else "")


def _others(weights: GraphWeights) -> list[Cause]:
    """The model's tensors that the graph has nowhere: it may come from another training."""
    if not weights.absent:
        return []
    detail = f"{len(weights.absent)} of the model's tensors are not in the graph: {_named(weights.absent)}."
    change = "see that the graph was exported from these weights"
    return [Cause(cause="other weights", detail=detail, confirmed=False, change=change)]


def _left(parity: Parity, native: Native) -> Left | None:
    """Where the graph leaves the model, on the image that shows it best: layers' values are looked for in the nodes."""
    side, weights, image = native.side, parity.weights, _clearest(parity, native)
    attributes, one = side.attributes(), native.probe[image : image + 1].copy()
    ran = side.run(one, "float64", list(side.layers()))()
    calls = [(tap.layer, tap.gave[0]) for tap in ran.taps if tap.gave]
    outputs = side.put(("output", side.native(array, side.table.output_axes), "float64") for array in ran.arrays)
    tensors = {one.initialiser: one.exact for one in weights.altered}
    given = parity.export.given(one, side.table.input_axes)
    left = parity.export.graph.follow(given, weights.folds, [*calls, *outputs], attributes, tensors)
    return left if calls or (left is not None and left.cause) else None


def _clearest(parity: Parity, native: Native) -> int:
    """The image whose outputs are furthest apart."""
    apart = np.zeros(len(native.probe))
    for ours, theirs in zip(native.outputs.float64, parity.outputs.float64, strict=False):
        if ours.shape == theirs.shape and len(ours) == len(apart):
            apart += np.abs(ours - theirs).reshape(len(apart), -1).max(axis=1, initial=0.0)
    return int(np.nan_to_num(apart, nan=np.inf).argmax())
