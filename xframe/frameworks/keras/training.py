"""Training of a ``keras.Model``, on the tensorflow and torch backends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import keras
import numpy as np

from xframe.frameworks.attributes import Attributes, changed
from xframe.frameworks.factories import resolve
from xframe.frameworks.keras.described import DESCRIPTIONS, layers_by_name
from xframe.frameworks.keras.model import in_dtype, load_file
from xframe.frameworks.training import (
    LOGITS,
    PROBABILITIES,
    Batch,
    Recipe,
    Silenced,
    Slots,
    expect_outputs,
    expect_same,
)
from xframe.tensors import Array

# role → where keras's optimizer keeps its variables, one a trainable variable
_ROLES: dict[str, dict[str, str]] = {
    "sgd": {},
    "momentum": {"momentum": "momentums"},
    "nesterov": {"momentum": "momentums"},
    "adam": {"first_moment": "_momentums", "second_moment": "_velocities"},
    "adamw": {"first_moment": "_momentums", "second_moment": "_velocities"},
    "rmsprop": {"mean_square": "_velocities", "momentum": "_momentums"},
}


class Trainer:
    """``training.Trainer``."""

    def __init__(self, model: keras.Model, recipe: Recipe) -> None:
        if keras.backend.backend() not in ("tensorflow", "torch"):
            raise ValueError(
                f"models are trained on the tensorflow and torch backends, not on {keras.backend.backend()}"
            )
        self.model = in_dtype(model, recipe.dtype)
        self._recipe = recipe
        self._variables = {variable.path: variable for variable in self.model.trainable_variables}
        with _in_dtype(recipe.dtype):
            self._optimizer = _optimizer(recipe)
            self._optimizer.build([*self._variables.values()])
        self._roles = dict(_ROLES[recipe.name])
        if recipe.name == "rmsprop" and not recipe.momentum:
            del self._roles["momentum"]
        self._layers = layers_by_name(self.model)
        self.silenced = Silenced([name for name, layer in self._layers.items() if _drops(layer)])

    def gradients(self, batch: Batch) -> tuple[float, dict[str, Array]]:
        """``Trainer.gradients``."""
        loss, found = self._backward(batch)
        return loss, {name: _numpy(part) for name, part in found.items()}

    def step(self, batch: Batch) -> tuple[float, dict[str, Array]]:
        """``Trainer.step``."""
        loss, found = self._backward(batch)
        kept = {name: _numpy(part) for name, part in found.items()}
        variables = [self._variables[name] for name in found]
        with _in_dtype(self._recipe.dtype), _no_graph():
            self._optimizer.apply(self._decayed(found), variables)
        return loss, kept

    @contextmanager
    def altered(self, attributes: Mapping[str, Attributes]) -> Iterator[None]:
        """``Trainer.altered``."""
        with ExitStack() as stack:
            for layer, held in attributes.items():
                stack.enter_context(changed(self._layers[layer], held, DESCRIPTIONS))
            yield

    def slots(self) -> Slots:
        """``Trainer.slots``."""
        held = {
            role: {
                name: _numpy(variable).astype(np.float64)
                for name, variable in zip(self._variables, self._kept(own), strict=True)
            }
            for role, own in self._roles.items()
        }
        return Slots(int(self._optimizer.iterations.numpy()), held)

    def set_slots(self, slots: Slots) -> None:
        """``Trainer.set_slots``."""
        expect_same(self._roles, slots.held, "the roles")
        for role, own in self._roles.items():
            expect_same(self._variables, slots.held[role], f"{role} of")
            for name, variable in zip(self._variables, self._kept(own), strict=True):
                variable.assign(slots.held[role][name])
        self._optimizer.iterations.assign(slots.step)

    def keys(self) -> list[tuple[str, str, str]]:
        """``Trainer.keys``: by place among the optimizer's variables."""
        places = {id(variable): place for place, variable in enumerate(self._optimizer.variables)}
        found = [("step", "", "optimizer/vars/0"), ("", "", "optimizer/vars/1")]  # iteration and learning rate
        for role, own in self._roles.items():
            named = zip(self._variables, self._kept(own), strict=True)
            found += [(role, name, f"optimizer/vars/{places[id(variable)]}") for name, variable in named]
        return found

    def save(self, path: Path) -> None:
        """``Trainer.save``: a .keras archive holds the state of the optimizer that its model is compiled with."""
        self.model.compile(optimizer=self._optimizer)
        self.model.save(path)

    def load(self, path: Path) -> None:
        """``Trainer.load``: what an optimizer is compiled into takes its state along with the weights."""
        self.model.compile(optimizer=self._optimizer)
        load_file(self.model, path)

    def _kept(self, own: str) -> list[Any]:
        return list(getattr(self._optimizer, own))

    def _backward(self, batch: Batch) -> tuple[float, dict[str, Any]]:
        with _in_dtype(self._recipe.dtype), _without_dropout() as skipped, ExitStack() as stack:
            for name in self.silenced.layers:
                stack.enter_context(_rate_zero(self._layers[name]))
            taken = _GRADIENTS[keras.backend.backend()](self.model, self._variables, batch)
        self.silenced.calls = len(skipped)
        return taken

    def _decayed(self, gradients: Mapping[str, Any]) -> list[Any]:
        """Gradients with what keras cannot add: ``l2`` · p. What it calls weight decay it takes off the weights."""
        l2 = self._recipe.l2
        return [part + l2 * self._variables[name].value if l2 else part for name, part in gradients.items()]


def _optimizer(recipe: Recipe) -> Any:
    """The optimizer of that name."""
    if recipe.shrink:
        raise ValueError("keras's own weight_decay is decoupled; there is nothing to do for an adapter")
    shared: dict[str, Any] = {"learning_rate": recipe.learning_rate, "weight_decay": recipe.weight_decay or None}
    betas = {"beta_1": recipe.betas[0], "beta_2": recipe.betas[1], "epsilon": recipe.epsilon, "amsgrad": False}
    if recipe.name == "adam":
        return keras.optimizers.Adam(**betas, **shared)
    if recipe.name == "adamw":
        return keras.optimizers.AdamW(**betas, **{**shared, "weight_decay": recipe.weight_decay})
    if recipe.name == "rmsprop":
        return keras.optimizers.RMSprop(
            rho=recipe.rho, momentum=recipe.momentum, epsilon=recipe.epsilon, centered=False, **shared
        )
    if recipe.name in _ROLES:
        momentum = 0.0 if recipe.name == "sgd" else recipe.momentum
        return keras.optimizers.SGD(momentum=momentum, nesterov=recipe.name == "nesterov", **shared)
    raise ValueError(f"no optimizer '{recipe.name}' for keras")


def _loss(model: keras.Model, batch: Batch) -> Any:
    """Without keras.losses' classes, which cast to floatx."""
    inputs = keras.ops.convert_to_tensor(batch.inputs.astype(keras.config.floatx()))
    outputs = keras.tree.flatten(model(inputs, training=True))
    expect_outputs(outputs, batch)
    expected = [keras.ops.convert_to_tensor(np.array(array)) for array in batch.expected]
    if batch.objective == LOGITS:
        found = keras.losses.sparse_categorical_crossentropy(expected[0], outputs[0], from_logits=True)
        return keras.ops.mean(found)
    if batch.objective == PROBABILITIES:  # keras's own clips them to 1e-7
        given = keras.ops.take_along_axis(outputs[0], expected[0][:, None], axis=-1)
        return -keras.ops.mean(keras.ops.log(given))
    squares = (
        keras.ops.mean(keras.losses.mean_squared_error(want, y)) for want, y in zip(expected, outputs, strict=True)
    )
    return sum(squares)


def _tensorflow(model: keras.Model, variables: Mapping[str, Any], batch: Batch) -> tuple[float, dict[str, Any]]:
    import tensorflow as tf  # noqa: PLC0415 - another backend need not have it

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([variable.value for variable in variables.values()])
        loss = _loss(model, batch)
    found = tape.gradient(loss, [variable.value for variable in variables.values()])
    named = zip(variables, found, strict=True)
    return float(loss.numpy()), {name: tf.convert_to_tensor(part) for name, part in named if part is not None}


def _torch(model: keras.Model, variables: Mapping[str, Any], batch: Batch) -> tuple[float, dict[str, Any]]:
    import torch  # noqa: PLC0415 - another backend need not have it

    loss = _loss(model, batch)
    found = torch.autograd.grad(loss, [variable.value for variable in variables.values()], allow_unused=True)
    named = zip(variables, found, strict=True)
    return float(loss.detach()), {name: part for name, part in named if part is not None}


_GRADIENTS = {"tensorflow": _tensorflow, "torch": _torch}


def _numpy(tensor: Any) -> Array:
    return np.array(keras.ops.convert_to_numpy(tensor))


def _no_graph() -> Any:
    return resolve("torch:no_grad")() if keras.backend.backend() == "torch" else nullcontext()


@contextmanager
def _in_dtype(dtype: str) -> Iterator[None]:
    """The learning rate is a variable of floatx."""
    before = keras.config.floatx()
    try:
        keras.config.set_floatx(dtype)
        yield
    finally:
        keras.config.set_floatx(before)


def _drops(layer: Any) -> bool:
    return "Dropout" in type(layer).__name__ and bool(getattr(layer, "rate", 0))


@contextmanager
def _rate_zero(layer: Any) -> Iterator[None]:
    before = layer.rate
    try:
        layer.rate = 0.0
        yield
    finally:
        layer.rate = before


@contextmanager
def _without_dropout() -> Iterator[list[str]]:
    """Dropout functions, keras's and tensorflow's, give back what they read; the list grows by a name a call."""
    skipped: list[str] = []

    def same(x: Any, rate: float = 0.5, *_: Any, **__: Any) -> Any:
        if rate:
            skipped.append("dropout")
        return x

    homes = [resolve("keras.src.backend:random")]
    if keras.backend.backend() == "tensorflow":
        homes.append(resolve("tensorflow:nn"))
    before = [(home, home.dropout) for home in homes]
    try:
        for home in homes:
            home.dropout = same
        yield skipped
    finally:
        for home, original in before:
            home.dropout = original
