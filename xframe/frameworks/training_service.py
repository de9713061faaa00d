"""The worker's commands for training. Models under training are kept beside the others, under the same handles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from xframe import exchange
from xframe.frameworks import Framework
from xframe.frameworks.training import Batch, Recipe, Slots, Trainer
from xframe.tensors import Array

Named = list[tuple[str, exchange.Message]]
SlotMessages = dict[str, Named]


class TrainingCommands:
    """What a service answers about models under training."""

    _adapter: Framework
    _name: str
    _folder: Path
    _models: dict[str, Any]

    def __init__(self) -> None:
        super().__init__()
        self._trainers: dict[str, Trainer] = {}
        self._frozen: set[str] = set()  # models that were saved, whose graphs stand as they were written

    def start_training(self, handle: str, recipe: dict[str, Any]) -> list[str]:
        """Put a model under training, from now on in float64; the dropout layers that were turned off."""
        if handle in self._frozen:
            raise ValueError("a saved model is not trained: its graph stands as it was written; build it from code")
        make = getattr(self._adapter, "trainer", None)
        if make is None:
            raise ValueError(f"models of {self._name} cannot be trained here")
        trainer: Trainer = make(self._models[handle], Recipe(**{**recipe, "betas": tuple(recipe["betas"])}))
        self._trainers[handle], self._models[handle] = trainer, trainer.model
        return trainer.silenced.layers

    def training_step(
        self, handle: str, inputs: exchange.Message, expected: list[exchange.Message], objective: str, *, keep: bool
    ) -> dict[str, Any]:
        """One step: its loss, calls of dropout that were skipped, and with ``keep`` its gradients."""
        trainer = self._trainers[handle]
        loss, gradients = trainer.step(_batch(inputs, expected, objective))
        return {"loss": loss, "calls": trainer.silenced.calls, "gradients": self._put(gradients) if keep else []}

    def training_gradients(
        self,
        handle: str,
        inputs: exchange.Message,
        expected: list[exchange.Message],
        objective: str,
        *,
        tensors: Named,
        attributes: list[tuple[str, dict[str, Any]]],
    ) -> dict[str, Any]:
        """Loss, gradients and the tensors ``tensors`` after one pass that starts from them. The model stays as it was.

        ``attributes`` are set in the layers named for this pass.
        """
        trainer, model = self._trainers[handle], self._models[handle]
        before = self._adapter.state(model)
        before = {name: (np.array(array), dtype) for name, (array, dtype) in before.items()}
        given = {name: (exchange.get(message), message[3]) for name, message in tensors}
        try:
            self._adapter.load(model, {**before, **given})
            with trainer.altered(dict(attributes)):
                loss, gradients = trainer.gradients(_batch(inputs, expected, objective))
            state = self._adapter.state(model)
            after = {name: state[name][0] for name in given}
            return {"loss": loss, "gradients": self._put(gradients), "tensors": self._put(after)}
        finally:
            self._adapter.load(model, before)

    def optimizer_slots(self, handle: str) -> dict[str, Any]:
        """The optimizer's state: its step, and by role its tensors."""
        slots = self._trainers[handle].slots()
        return {"step": slots.step, "held": {role: self._put(arrays) for role, arrays in slots.held.items()}}

    def set_optimizer_slots(self, handle: str, step: int, held: SlotMessages) -> None:
        """Go on from another state of the optimizer."""
        given = {role: {name: exchange.get(message) for name, message in named} for role, named in held.items()}
        self._trainers[handle].set_slots(Slots(step, given))

    def optimizer_keys(self, handle: str) -> list[tuple[str, str, str]]:
        """Role, tensor and name in the framework's own file of everything that the optimizer keeps."""
        return self._trainers[handle].keys()

    def save_optimizer(self, handle: str, path: str) -> None:
        """Write the optimizer's state with the framework's own writer."""
        self._trainers[handle].save(Path(path))

    def load_optimizer(self, handle: str, path: str) -> None:
        """Go on from a file that xframe wrote or checked."""
        self._trainers[handle].load(Path(path))

    def end_training(self, handle: str) -> None:
        """Forget the optimizer; the model stays."""
        self._trainers.pop(handle, None)

    def _put(self, arrays: dict[str, Array]) -> Named:
        return exchange.put(self._folder, self._name, ((name, held, held.dtype.name) for name, held in arrays.items()))


def _batch(inputs: exchange.Message, expected: list[exchange.Message], objective: str) -> Batch:
    return Batch(inputs=exchange.get(inputs), expected=[*map(exchange.get, expected)], objective=objective)
