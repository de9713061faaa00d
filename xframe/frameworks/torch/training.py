"""Training of a ``torch.nn.Module``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from xframe.frameworks.attributes import Attributes, changed
from xframe.frameworks.torch.backward import trainable
from xframe.frameworks.torch.described import DESCRIPTIONS
from xframe.frameworks.torch.model import listed
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

_DROPOUTS = {
    *(getattr(functional, name) for name in ("dropout", "dropout1d", "dropout2d", "dropout3d")),
    *(functional.alpha_dropout, functional.feature_alpha_dropout),
    *(torch.dropout, torch.feature_dropout, torch.alpha_dropout, torch.feature_alpha_dropout),
}
# role → torch's own name in an optimizer's state
_ROLES: dict[str, dict[str, str]] = {
    "sgd": {},
    "momentum": {"momentum": "momentum_buffer"},
    "nesterov": {"momentum": "momentum_buffer"},
    "adam": {"first_moment": "exp_avg", "second_moment": "exp_avg_sq"},
    "adamw": {"first_moment": "exp_avg", "second_moment": "exp_avg_sq"},
    "rmsprop": {"mean_square": "square_avg", "momentum": "momentum_buffer"},
}


class Trainer:
    """``training.Trainer``."""

    def __init__(self, model: torch.nn.Module, recipe: Recipe) -> None:
        self.model = model.to(getattr(torch, recipe.dtype))
        self._recipe = recipe
        moving = set(trainable(model))
        held = model.state_dict(keep_vars=True)
        self._parameters = {name: tensor for name, tensor in held.items() if name in moving}
        self._optimizer = _optimizer([*model.parameters()], recipe)
        self._roles = dict(_ROLES[recipe.name])
        if recipe.name == "rmsprop" and not recipe.momentum:
            del self._roles["momentum"]
        self._steps = 0
        self.silenced = Silenced([name for name, module in model.named_modules() if _drops(module)])

    def gradients(self, batch: Batch) -> tuple[float, dict[str, Array]]:
        """``Trainer.gradients``."""
        loss = self._backward(batch)
        found = {name: tensor.grad.numpy().copy() for name, tensor in self._reached()}
        self._optimizer.zero_grad(set_to_none=True)
        return loss, found

    def step(self, batch: Batch) -> tuple[float, dict[str, Array]]:
        """``Trainer.step``."""
        loss = self._backward(batch)
        found = {name: tensor.grad.numpy().copy() for name, tensor in self._reached()}
        self._decay()
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._steps += 1
        return loss, found

    @contextmanager
    def altered(self, attributes: Mapping[str, Attributes]) -> Iterator[None]:
        """``Trainer.altered``."""
        with ExitStack() as stack:
            for layer, held in attributes.items():
                stack.enter_context(changed(self.model.get_submodule(layer), held, DESCRIPTIONS))
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
        for name, tensor in self._parameters.items():
            state = {own: torch.tensor(slots.held[role][name], dtype=tensor.dtype) for role, own in self._roles.items()}
            if "momentum_buffer" not in state or len(state) > 1:  # SGD counts no steps
                state["step"] = torch.tensor(float(slots.step))
            self._optimizer.state[tensor] = state
        self._steps = slots.step

    def keys(self) -> list[tuple[str, str, str]]:
        """``Trainer.keys``: state by place in ``parameters()``."""
        places = {id(tensor): place for place, tensor in enumerate(self.model.parameters())}
        held = [(role, own) for role, own in self._roles.items()]
        if self._recipe.name not in ("sgd", "momentum", "nesterov"):
            held.append(("step", "step"))
        named = self._parameters.items()
        return [(role, name, f"state.{places[id(tensor)]}.{own}") for name, tensor in named for role, own in held]

    def save(self, path: Path) -> None:
        """``Trainer.save``."""
        torch.save(self._optimizer.state_dict(), path)

    def load(self, path: Path) -> None:
        """``Trainer.load``."""
        self._optimizer.load_state_dict(torch.load(path, weights_only=True))
        states = [self._optimizer.state.get(tensor, {}) for tensor in self._parameters.values()]
        self._steps = max((int(state["step"]) for state in states if "step" in state), default=0)

    def _backward(self, batch: Batch) -> float:
        self.model.train()
        rates = {name: self.model.get_submodule(name) for name in self.silenced.layers}
        with _without_dropout() as skipped, ExitStack() as stack:
            for module in rates.values():
                stack.enter_context(_rate_zero(module))
            outputs = listed(self.model(torch.from_numpy(batch.inputs.astype(self._recipe.dtype))))
        self.silenced.calls = skipped.calls
        expect_outputs(outputs, batch)
        loss = _loss(outputs, batch)
        loss.backward()
        return float(loss.detach())

    def _reached(self) -> Iterator[tuple[str, torch.Tensor]]:
        return ((name, tensor) for name, tensor in self._parameters.items() if tensor.grad is not None)

    def _decay(self) -> None:
        """What the optimizer's own constructor cannot do with weights."""
        recipe, once = self._recipe, {id(tensor): tensor for _, tensor in self._reached()}
        with torch.no_grad():
            for tensor in once.values():
                if recipe.l2:
                    tensor.grad.add_(tensor, alpha=recipe.l2)
                if recipe.shrink:
                    tensor.mul_(1 - recipe.learning_rate * recipe.shrink)

    def _slot(self, tensor: torch.Tensor, own: str) -> Array:
        found = self._optimizer.state.get(tensor, {}).get(own)
        array: Array = (torch.zeros_like(tensor) if found is None else found).detach().double().numpy().copy()
        return array


def _optimizer(parameters: list[torch.Tensor], recipe: Recipe) -> Any:
    """The optimizer of that name; ``foreach`` off is the plain loop, whose rule ours is held against."""
    shared: dict[str, Any] = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay, "foreach": False}
    if recipe.name in ("adam", "adamw"):
        make = torch.optim.Adam if recipe.name == "adam" else torch.optim.AdamW
        return make(parameters, betas=recipe.betas, eps=recipe.epsilon, amsgrad=False, fused=False, **shared)
    if recipe.name == "rmsprop":
        return torch.optim.RMSprop(
            parameters, alpha=recipe.rho, eps=recipe.epsilon, momentum=recipe.momentum, centered=False, **shared
        )
    if recipe.name in _ROLES:
        momentum = 0.0 if recipe.name == "sgd" else recipe.momentum
        nesterov = recipe.name == "nesterov"
        return torch.optim.SGD(parameters, momentum=momentum, dampening=0, nesterov=nesterov, fused=False, **shared)
    raise ValueError(f"no optimizer '{recipe.name}' for torch")


def _loss(outputs: list[torch.Tensor], batch: Batch) -> torch.Tensor:
    expected = [torch.from_numpy(array.copy()) for array in batch.expected]
    if batch.objective == LOGITS:
        return functional.cross_entropy(outputs[0], expected[0])
    if batch.objective == PROBABILITIES:
        return functional.nll_loss(torch.log(outputs[0]), expected[0])
    return sum(map(functional.mse_loss, outputs, expected), torch.zeros((), dtype=torch.float64))


def _drops(module: torch.nn.Module) -> bool:
    return isinstance(module, torch.nn.modules.dropout._DropoutNd) and module.p > 0  # noqa: SLF001 - their base class


@contextmanager
def _rate_zero(module: Any) -> Iterator[None]:
    before = module.p
    try:
        module.p = 0.0
        yield
    finally:
        module.p = before


class _Skipping(TorchFunctionMode):
    """Dropout functions give back what they read."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        if func not in _DROPOUTS:
            return func(*args, **given)
        rate = args[1] if len(args) > 1 else given.get("p", 0.5)
        on = args[2] if len(args) > 2 else given.get("training", given.get("train", True))
        self.calls += bool(on and rate)
        return args[0] if args else given["input"]


def _without_dropout() -> _Skipping:
    return _Skipping()
