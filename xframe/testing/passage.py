"""One forward pass of one implementation in float64, and its gradients, as a golden keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xframe import exchange
from xframe.checkpoints.budget import AMPLE
from xframe.checkpoints.model import Checkpoint
from xframe.checkpoints.selection import EVERYTHING
from xframe.errors import UsageError
from xframe.files import framework_reads, opened_weights
from xframe.mapping import Table
from xframe.proving.layer_diff import tapped
from xframe.proving.probe import random_input, read_input
from xframe.proving.sides import Side
from xframe.proving.weights import drawn
from xframe.tensors import Array, TensorSpec
from xframe.testing.goldens import Call
from xframe.testing.sketch import sketch
from xframe.workers import Pool

DTYPE = "float64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a golden is of: a table, and what its network is fed and set to. Files are None where those are drawn."""

    table: Table
    seed: int = 0
    weights: Path | None = None
    input: Path | None = None

    def probe(self) -> Array:
        """The input: the user's own, or drawn from the seed."""
        return random_input(self.table, self.seed) if self.input is None else read_input(self.input, self.table)

    def held(self, column: str, specs: Mapping[str, TensorSpec], pool: Pool) -> Checkpoint:
        """The weights of ``column``, whose framework is not asked: from their file, or drawn for ``specs``."""
        if self.weights is None:
            return drawn(self.table, column, specs, self.seed, pool)
        end = self.table.implementation(column)
        if framework_reads(self.weights, end):
            raise UsageError(
                f"{self.weights}: only a Keras model knows which tensor of such a file is which, and a golden is held "
                f"to where Keras is not installed. Try: the same weights as .npz or .safetensors, from xframe port."
            )
        return opened_weights(self.weights, self.table, end, EVERYTHING, AMPLE)


@dataclass(frozen=True, slots=True)
class Passage:
    """Outputs, channels first, and every call of a mapped layer in the order in which they end."""

    outputs: tuple[Array, ...]
    calls: tuple[Call, ...]


def passage(side: Side, probe: Array) -> Passage:
    """Run a loaded side. No array of a layer is kept: what is exchanged goes at the end."""
    here = side.implementation.name
    axes = {layer.layer_name(here): layer.kind.output for layer in side.table.layers}
    with side.scratch():
        ran = side.run(probe, DTYPE, tapped(side))()
        return Passage(ran.arrays, tuple(_call(side, tap.layer, tap.gave[0], axes[tap.layer]) for tap in ran.taps))


def _call(side: Side, layer: str, gave: exchange.Message, axes: str) -> Call:
    array = side.channels_first(exchange.get(gave), axes)
    return Call(layer=layer, shape=array.shape, sketch=sketch(array))


def turns(calls: Sequence[Call]) -> list[tuple[str, int]]:
    """By call, its layer and how often that was called before."""
    seen: dict[str, int] = {}
    found = []
    for call in calls:
        found.append((call.layer, seen.get(call.layer, 0)))
        seen[call.layer] = found[-1][1] + 1
    return found
