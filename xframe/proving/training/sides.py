"""A side under training: batches in, losses, gradients, tensors and the optimizer's state out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from xframe import exchange
from xframe.mapping import Implementation
from xframe.proving.optimizers.rules import recipe
from xframe.proving.optimizers.spec import Optimizer
from xframe.proving.probe import random_batch
from xframe.proving.sides import Side
from xframe.tensors import Array
from xframe.workers import Reply

LOGITS = "cross entropy of logits"  # the objectives' names, as the workers know them
PROBABILITIES = "cross entropy of probabilities"
SQUARES = "mean squared error"
BATCH = 4
Arrays = dict[str, Array]


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs, channels first, and what is expected of each output: class indices where it is N×C, else an array."""

    inputs: Array
    expected: tuple[Array, ...]

    @property
    def classes(self) -> bool:
        return len(self.expected) == 1 and self.expected[0].dtype == np.int64

    def objective(self, implementation: Implementation) -> str:
        """The loss for an implementation that ends in a softmax, or does not."""
        if not self.classes:
            return SQUARES
        return PROBABILITIES if implementation.output == "probabilities" else LOGITS


@dataclass(frozen=True, slots=True)
class Stepped:
    """One step: its loss, how many calls of dropout were skipped, and its gradients where asked for."""

    loss: float
    calls: int
    gradients: Arrays


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass without a step: loss, gradients, and the tensors that were given as they are after it."""

    loss: float
    gradients: Arrays
    tensors: Arrays


@dataclass(frozen=True, slots=True)
class OptimizerState:
    """How many steps an optimizer has done, and by role and tensor what it keeps, in float64."""

    step: int
    held: Mapping[str, Arrays]

    def of(self, tensor: str) -> Arrays:
        """By role, what it keeps for one tensor."""
        return {role: arrays[tensor] for role, arrays in self.held.items() if tensor in arrays}


def draw_batches(side: Side, *, steps: int, seed: int, size: int = BATCH) -> tuple[Batch, ...]:
    """Random inputs and random targets, the same for every side that has this table.

    Outputs of N×C are classified; for others a standard normal target of their shape is drawn. Runs ``side`` once.
    """
    random = np.random.default_rng(seed)
    inputs = [random_batch(side.table, random, size) for _ in range(steps)]
    with side.scratch():
        outputs = side.run(inputs[0], "float64")().arrays
        shapes = [output.shape for output in outputs]
    classes = len(shapes) == 1 and len(shapes[0]) == 2
    return tuple(
        Batch(
            drawn,
            (random.integers(0, shapes[0][1], size),) if classes else tuple(map(random.standard_normal, shapes)),
        )
        for drawn in inputs
    )


class TrainingSide:
    """A Side whose model is trained with ``optimizer``. Requests return at once; what is returned waits."""

    def __init__(self, side: Side, optimizer: Optimizer, dtype: str = "float64") -> None:
        self.side = side
        self.dtype = dtype
        self.optimizer = optimizer
        name = side.implementation.framework.name
        self.framework = "keras on torch" if name == "keras" and "torch" in side.versions else name
        self.start = self._copied()

    def restart(self, slots: OptimizerState | None = None) -> tuple[str, ...]:
        """Back to the weights that the side had, with an optimizer that has done nothing, or has ``slots``.

        The dropout layers that are turned off.
        """
        silenced = self.side.ask("start_training", recipe=recipe(self.framework, self.optimizer, self.dtype)).result()
        self.set_tensors({})
        if slots is not None:
            self.set_slots(slots)
        return tuple(silenced)

    def set_tensors(self, instead: Mapping[str, Array]) -> None:
        """The weights that the side had, but for some that are others."""
        self.side.load(self._put({**self.start, **instead})).result()

    def end(self) -> None:
        """The weights that the side had, and no optimizer; the model stays in float64."""
        self.set_tensors({})
        self.side.ask("end_training").result()

    def step(self, batch: Batch, *, keep: bool = False) -> Callable[[], Stepped]:
        """One step on a batch; ``keep`` hands its gradients out."""
        reply = self.side.ask("training_step", **self._batch(batch), keep=keep)

        def stepped() -> Stepped:
            result = reply.result()
            return Stepped(result["loss"], result["calls"], _mapped(result["gradients"]))

        return stepped

    def gradients(
        self, batch: Batch, tensors: Mapping[str, Array], attributes: Mapping[str, Mapping[str, Any]] | None = None
    ) -> Callable[[], Pass]:
        """A pass from other tensors, and other ``attributes`` of layers. The model stays as it was."""
        altered = [(layer, dict(held)) for layer, held in (attributes or {}).items()]
        asked = {"tensors": self._put(tensors), "attributes": altered}
        reply = self.side.ask("training_gradients", **self._batch(batch), **asked)

        def passed() -> Pass:
            result = reply.result()
            return Pass(result["loss"], _mapped(result["gradients"]), _mapped(result["tensors"]))

        return passed

    def tensors(self) -> Callable[[], Arrays]:
        """The state dict, mapped."""
        wait = self.side.state()
        return lambda: {name: extent.map() for name, extent in wait().items()}

    def slots(self) -> OptimizerState:
        """The optimizer's state."""
        found = self.side.ask("optimizer_slots").result()
        return OptimizerState(found["step"], {role: _mapped(named) for role, named in found["held"].items()})

    def set_slots(self, slots: OptimizerState) -> None:
        """Go on from another state. Raises ModelError for one that does not fit."""
        held = {role: self._put(arrays) for role, arrays in slots.held.items()}
        self.side.ask("set_optimizer_slots", step=slots.step, held=held).result()

    def optimizer_keys(self) -> list[tuple[str, str, str]]:
        """Role, tensor and name in the framework's own file of everything that the optimizer keeps."""
        return [(role, tensor, key) for role, tensor, key in self.side.ask("optimizer_keys").result()]

    def save(self, path: Path) -> Reply:
        """Write the optimizer's state with the framework's own writer."""
        return self.side.ask("save_optimizer", path=str(path.absolute()))

    def load(self, path: Path) -> Reply:
        """Go on from a file that xframe wrote or checked."""
        return self.side.ask("load_optimizer", path=str(path.absolute()))

    def _copied(self) -> Arrays:
        """The state dict in memory, floating point in float64."""
        with self.side.scratch():
            held = self.tensors()()
            return {
                name: np.array(array, self.dtype if array.dtype.kind == "f" else array.dtype)
                for name, array in held.items()
            }

    def _batch(self, batch: Batch) -> dict[str, Any]:
        expected: Sequence[Array] = batch.expected
        if not batch.classes:
            expected = [self.side.native(array) for array in batch.expected]
        placed = self._put({"": self.side.native(batch.inputs), **{str(n): held for n, held in enumerate(expected)}})
        inputs, *others = (message for _, message in placed)
        return {"inputs": inputs, "expected": others, "objective": batch.objective(self.side.implementation)}

    def _put(self, arrays: Mapping[str, Array]) -> list[tuple[str, exchange.Message]]:
        return self.side.put((name, array, array.dtype.name) for name, array in arrays.items())


def _mapped(named: Iterable[tuple[str, exchange.Message]]) -> Arrays:
    return {name: exchange.get(message) for name, message in named}
