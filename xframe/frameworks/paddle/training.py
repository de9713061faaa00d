"""Training of a ``paddle.nn.Layer``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle.nn import functional
from paddle.utils import unique_name

from xframe.frameworks.attributes import Attributes, changed
from xframe.frameworks.paddle.backward import trainable
from xframe.frameworks.paddle.described import DESCRIPTIONS
from xframe.frameworks.paddle.model import cast, listed
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

# role → paddle's own name in an optimizer's accumulators
_ROLES: dict[str, dict[str, str]] = {
    "sgd": {},
    "momentum": {"momentum": "velocity"},
    "nesterov": {"momentum": "velocity"},
    "adam": {"first_moment": "moment1", "second_moment": "moment2"},
    "adamw": {"first_moment": "moment1", "second_moment": "moment2"},
    "rmsprop": {"mean_square": "mean_square", "momentum": "momentum"},
}
_DROPOUTS = (  # where the functions are looked up: in the module of their own and where they are shown
    (functional, "dropout"),
    (functional.common, "dropout"),
    (functional.common, "_feature_alpha_dropout_impl"),
    (paddle._C_ops, "dropout"),  # noqa: SLF001 - what `from paddle.nn.functional import dropout` ends in
    (paddle._C_ops, "dropout_"),  # noqa: SLF001
)


class Trainer:
    """``training.Trainer``."""

    def __init__(self, model: paddle.nn.Layer, recipe: Recipe) -> None:
        self.model = cast(model, recipe.dtype)
        self._recipe = recipe
        moving, held = set(trainable(model)), model.state_dict()
        self._parameters = {name: tensor for name, tensor in held.items() if name in moving}
        with _in_dtype(recipe.dtype):
            self._optimizer = _optimizer(model.parameters(), recipe)
        self._roles = dict(_ROLES[recipe.name])
        if recipe.name == "rmsprop" and not recipe.momentum:
            del self._roles["momentum"]
        self._steps = 0
        layers = model.named_sublayers(include_self=True)
        self.silenced = Silenced([name for name, layer in layers if _drops(layer)])

    def gradients(self, batch: Batch) -> tuple[float, dict[str, Array]]:
        """``Trainer.gradients``."""
        loss = self._backward(batch)
        found = {name: tensor.grad.numpy() for name, tensor in self._reached()}
        self._optimizer.clear_grad(set_to_zero=False)
        return loss, found

    def step(self, batch: Batch) -> tuple[float, dict[str, Array]]:
        """``Trainer.step``."""
        loss = self._backward(batch)
        found = {name: tensor.grad.numpy() for name, tensor in self._reached()}
        self._decay()
        with _in_dtype(self._recipe.dtype):
            self._optimizer.step()
        self._optimizer.clear_grad(set_to_zero=False)
        self._steps += 1
        return loss, found

    @contextmanager
    def altered(self, attributes: Mapping[str, Attributes]) -> Iterator[None]:
        """``Trainer.altered``."""
        layers = dict(self.model.named_sublayers())
        with ExitStack() as stack:
            for layer, held in attributes.items():
                stack.enter_context(changed(layers[layer], held, DESCRIPTIONS))
            yield

    def slots(self) -> Slots:
        """``Trainer.slots``."""
        return Slots(
            self._steps,
            {role: {name: self._slot(tensor, own) for name, tensor in self._parameters.items()}
             for role, own in self._roles.items()},
        )  # fmt: skip

    def set_slots(self, slots: Slots) -> None:
        """``Trainer.set_slots``."""
        expect_same(self._roles, slots.held, "the roles")
        for role in self._roles:
            expect_same(self._parameters, slots.held[role], f"{role} of")
        self._create_accumulators()
        held = self._optimizer._accumulators  # noqa: SLF001 - set_state_dict goes by names that are made up on creation
        for role, own in self._roles.items():
            for name, tensor in self._parameters.items():
                held[own][tensor.name].set_value(slots.held[role][name].astype(self._recipe.dtype))
        for own, beta in zip(("beta1_pow_acc", "beta2_pow_acc"), self._recipe.betas, strict=True):
            for tensor in self._parameters.values() if own in held else ():
                held[own][tensor.name].set_value(np.full([1], beta ** (slots.step + 1), self._recipe.dtype))
        self._steps = slots.step

    def keys(self) -> list[tuple[str, str, str]]:
        """``Trainer.keys``: a parameter's own name and the accumulator's."""
        held = [*self._roles.items()]
        if self._recipe.name in ("adam", "adamw"):
            held += [("step", "beta2_pow_acc"), ("", "beta1_pow_acc")]
        if self._recipe.name == "rmsprop":
            held += [("", own) for own in ("mean_grad", "momentum") if own not in self._roles.values()]
        return [
            (role, name, f"{tensor.name}_{own}_0") for name, tensor in self._parameters.items() for role, own in held
        ]

    def save(self, path: Path) -> None:
        """``Trainer.save``."""
        self._create_accumulators()
        paddle.save(self._optimizer.state_dict(), str(path))

    def load(self, path: Path) -> None:
        """``Trainer.load``."""
        self._create_accumulators()
        self._optimizer.set_state_dict(paddle.load(str(path)))
        self._steps = self._counted()

    def _backward(self, batch: Batch) -> float:
        self.model.train()
        layers = dict(self.model.named_sublayers(include_self=True))
        with _without_dropout() as skipped, ExitStack() as stack:
            for name in self.silenced.layers:
                stack.enter_context(_rate_zero(layers[name]))
            outputs = listed(self.model(paddle.to_tensor(batch.inputs.astype(self._recipe.dtype))))
        self.silenced.calls = len(skipped)
        expect_outputs(outputs, batch)
        loss = _loss(outputs, batch)
        loss.backward()
        return float(loss)

    def _reached(self) -> Iterator[tuple[str, paddle.Tensor]]:
        return ((name, tensor) for name, tensor in self._parameters.items() if tensor.grad is not None)

    def _decay(self) -> None:
        """What the optimizer's own constructor cannot do with weights."""
        recipe, once = self._recipe, {tensor.name: tensor for _, tensor in self._reached()}
        with paddle.no_grad():
            for tensor in once.values():
                if recipe.l2:
                    tensor.grad.set_value(tensor.grad + recipe.l2 * tensor)
                if recipe.shrink:
                    tensor.set_value(tensor * (1 - recipe.learning_rate * recipe.shrink))

    def _slot(self, tensor: paddle.Tensor, own: str) -> Array:
        found = self._optimizer._accumulators.get(own, {}).get(tensor.name)  # noqa: SLF001 - by parameter
        return np.zeros(tensor.shape) if found is None else found.numpy().astype(np.float64)

    def _create_accumulators(self) -> None:
        """As the first step would, under the names that they have in a fresh process."""
        block = paddle.static.default_main_program().global_block()
        with _in_dtype(self._recipe.dtype):
            self._optimizer._create_accumulators(block, [*self._parameters.values()])  # noqa: SLF001

    def _counted(self) -> int:
        """Steps, from the power of beta2 that Adam keeps: β^(steps + 1). Other optimizers do not count."""
        powers = self._optimizer._accumulators.get("beta2_pow_acc", {})  # noqa: SLF001
        first = next(iter(powers.values()), None)
        return 0 if first is None else round(float(np.log(float(first.numpy()[0])) / np.log(self._recipe.betas[1]))) - 1


def _optimizer(parameters: list[paddle.Tensor], recipe: Recipe) -> Any:
    """The optimizer of that name."""
    shared: dict[str, Any] = {"learning_rate": recipe.learning_rate, "parameters": parameters}
    if recipe.name == "adamw" or recipe.weight_decay:
        shared["weight_decay"] = float(recipe.weight_decay)
    if recipe.name in ("adam", "adamw"):
        make = paddle.optimizer.Adam if recipe.name == "adam" else paddle.optimizer.AdamW
        return make(beta1=recipe.betas[0], beta2=recipe.betas[1], epsilon=recipe.epsilon, **shared)
    if recipe.name == "rmsprop":
        return paddle.optimizer.RMSProp(
            rho=recipe.rho, epsilon=recipe.epsilon, momentum=recipe.momentum, centered=False, **shared
        )
    if recipe.name == "sgd":
        return paddle.optimizer.SGD(**shared)
    if recipe.name in _ROLES:
        return paddle.optimizer.Momentum(momentum=recipe.momentum, use_nesterov=recipe.name == "nesterov", **shared)
    raise ValueError(f"no optimizer '{recipe.name}' for paddle")


def _loss(outputs: list[paddle.Tensor], batch: Batch) -> paddle.Tensor:
    expected = [paddle.to_tensor(array.copy()) for array in batch.expected]
    if batch.objective == LOGITS:
        return functional.cross_entropy(outputs[0], expected[0])
    if batch.objective == PROBABILITIES:
        return functional.nll_loss(paddle.log(outputs[0]), expected[0])
    return sum(map(functional.mse_loss, outputs, expected), paddle.zeros([], "float64"))


@contextmanager
def _in_dtype(dtype: str) -> Iterator[None]:
    """The learning rate is a tensor of the default dtype; accumulators are named as in a fresh process."""
    before = paddle.get_default_dtype()
    try:
        paddle.set_default_dtype(dtype)
        with unique_name.guard():
            yield
    finally:
        paddle.set_default_dtype(before)


def _drops(layer: paddle.nn.Layer) -> bool:
    return "Dropout" in type(layer).__name__ and bool(getattr(layer, "p", 0))


@contextmanager
def _rate_zero(layer: Any) -> Iterator[None]:
    before = layer.p
    try:
        layer.p = 0.0
        yield
    finally:
        layer.p = before


@contextmanager
def _without_dropout() -> Iterator[list[str]]:
    """Dropout functions give back what they read; the list grows by a name a call."""
    skipped: list[str] = []

    def passing(name: str) -> Any:
        def same(x: Any, *args: Any, **options: Any) -> Any:
            if options.get("training", True) and _rate(args, options):
                skipped.append(name)
            return x

        return same

    before = [(home, name, getattr(home, name)) for home, name in _DROPOUTS]
    try:
        for home, name, _ in before:
            setattr(home, name, passing(name))
        yield skipped
    finally:
        for home, name, original in before:
            setattr(home, name, original)


def _rate(args: tuple[Any, ...], options: Mapping[str, Any]) -> float:
    """The rate among a dropout's arguments: an operator has it third, behind a seed."""
    numbers = [value for value in args[:2] if isinstance(value, int | float) and not isinstance(value, bool)]
    return float(numbers[0] if numbers else options.get("p", 0.5))
