"""What each framework's optimizers do to a weight, as numpy in float64, and in which points they are not alike.

    p ← weight, g ← gradient, η learning rate, μ momentum, λ weight decay, t the step's number from 1

    weight decay   l2: g ← g + λp        decoupled: p ← p − ηλp, both before all else
    sgd            p ← p − ηg
    momentum       b ← μb + g;  p ← p − ηb;              nesterov: p ← p − η(g + μb)
    adam           m ← β₁m + (1−β₁)g;  v ← β₂v + (1−β₂)g²;  p ← p − η/(1−β₁ᵗ) · m / d
                   ε after the bias correction:   d = √(v/(1−β₂ᵗ)) + ε
                   ε before the bias correction:  d = (√v + ε) / √(1−β₂ᵗ)
    rmsprop        s ← rho·s + (1−rho)g²;  b ← μb + g/d;  p ← p − ηb
                   ε outside the root:  d = √s + ε;      ε inside the root:  d = √(s + ε)

Some buffers hold b times a number: −η in keras's SGD, η in keras's and paddle's RMSprop. At a constant learning rate
that is the same mathematics, and matters only to whoever carries a buffer from one framework to another.

Read in torch 2.13.0 (torch/optim/{sgd,adam,rmsprop}.py, _single_tensor_*) and keras 3.15.1
(keras/src/optimizers/{sgd,adam,rmsprop,base_optimizer}.py). Paddle 3.3.1 computes in C++ (paddle/optimizer/*.py calls
_C_ops): its rows were measured, to the last bit, against this rule with and without the rounding. What it passes to an
operator as a float attribute is rounded to float32, whatever the weights are; a tensor or a Scalar is not. Keras on the
TensorFlow backend rounds what it hands to ops.cast as a Python number, for tf.cast makes a float32 tensor of it first:
momentum, weight decay, and the betas of Adam's bias correction, though not those of its moments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from xframe.errors import UsageError
from xframe.proving.optimizers.spec import Optimizer
from xframe.tensors import Array

AFTER, BEFORE = "after the bias correction", "before the bias correction"
OUTSIDE, INSIDE = "outside the root", "inside the root"
Slots = Mapping[str, Array]  # role → what the optimizer keeps for one tensor


@dataclass(frozen=True, slots=True)
class Form:
    """A row of the table: how one framework writes one optimizer.

    ``native`` is what its own weight_decay does, ``epsilon`` where ε stands, ``buffer`` what its momentum holds
    instead of b: "b", "-ηb" or "ηb". ``rounded`` are the figures that it keeps in float32.
    """

    native: str
    epsilon: str = ""
    buffer: str = "b"
    rounded: tuple[str, ...] = ()


FORMS: Mapping[tuple[str, str], Form] = {
    # framework, optimizer      native       ε        momentum's buffer   in float32
    ("torch", "sgd"):      Form("l2"),
    ("torch", "momentum"): Form("l2"),
    ("torch", "nesterov"): Form("l2"),
    ("torch", "adam"):     Form("l2",        AFTER),
    ("torch", "adamw"):    Form("decoupled", AFTER),
    ("torch", "rmsprop"):  Form("l2",        OUTSIDE),
    ("paddle", "sgd"):      Form("l2"),
    ("paddle", "momentum"): Form("l2",       rounded=("momentum", "weight_decay")),
    ("paddle", "nesterov"): Form("l2",       rounded=("momentum", "weight_decay")),
    ("paddle", "adam"):     Form("l2",        AFTER),
    ("paddle", "adamw"):    Form("decoupled", AFTER, rounded=("weight_decay",)),
    ("paddle", "rmsprop"):  Form("l2",        INSIDE, "ηb", rounded=("rho", "momentum", "epsilon")),
    ("keras", "sgd"):      Form("decoupled", rounded=("weight_decay",)),
    ("keras", "momentum"): Form("decoupled", buffer="-ηb", rounded=("momentum", "weight_decay")),
    ("keras", "nesterov"): Form("decoupled", buffer="-ηb", rounded=("momentum", "weight_decay")),
    ("keras", "adam"):     Form("decoupled", BEFORE, rounded=("correction", "weight_decay")),
    ("keras", "adamw"):    Form("decoupled", BEFORE, rounded=("correction", "weight_decay")),
    ("keras", "rmsprop"):  Form("decoupled", INSIDE, "ηb", rounded=("weight_decay",)),
    ("keras on torch", "sgd"):      Form("decoupled"),
    ("keras on torch", "momentum"): Form("decoupled", buffer="-ηb"),
    ("keras on torch", "nesterov"): Form("decoupled", buffer="-ηb"),
    ("keras on torch", "adam"):     Form("decoupled", BEFORE),
    ("keras on torch", "adamw"):    Form("decoupled", BEFORE),
    ("keras on torch", "rmsprop"):  Form("decoupled", INSIDE, "ηb"),
}  # fmt: skip
ROLES: Mapping[str, tuple[str, ...]] = {
    "sgd": (),
    "momentum": ("momentum",),
    "nesterov": ("momentum",),
    "adam": ("first_moment", "second_moment"),
    "adamw": ("first_moment", "second_moment"),
    "rmsprop": ("mean_square", "momentum"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One update, all points of it settled. ``decay`` is "l2", "decoupled" or "none".

    ``correction`` are the betas of Adam's bias correction, which may be rounded where those of the moments are not.
    """

    family: str
    learning_rate: float
    momentum: float
    nesterov: bool
    betas: tuple[float, float]
    correction: tuple[float, float]
    epsilon: float
    epsilon_stands: str
    rho: float
    weight_decay: float
    decay: str
    buffer: str

    @property
    def factor(self) -> float:
        """What the momentum's buffer is b times."""
        return {"b": 1.0, "-ηb": -self.learning_rate, "ηb": self.learning_rate}[self.buffer]

    def update(self, step: int, p: Array, g: Array, slots: Slots) -> Array:
        """The weights after the step of that number, counted from 1; ``slots`` are those before it."""
        return self.advance(step, p, g, slots)[0]

    def advance(self, step: int, p: Array, g: Array, slots: Slots) -> tuple[Array, Slots]:
        """The weights and the slots after the step of that number."""
        if self.decay == "l2":
            g = g + self.weight_decay * p
        if self.decay == "decoupled":
            p = p * (1 - self.learning_rate * self.weight_decay)
        direction, kept = {"adam": self._adam, "rmsprop": self._rmsprop, "sgd": self._momentum}[self.family](
            step, g, slots
        )
        return p - self.learning_rate * direction, kept

    def _momentum(self, _step: int, g: Array, slots: Slots) -> tuple[Array, Slots]:
        if not self.momentum:
            return g, {}
        b = self.momentum * (slots["momentum"] / self.factor) + g
        return (g + self.momentum * b if self.nesterov else b), {"momentum": b * self.factor}

    def _rmsprop(self, step: int, g: Array, slots: Slots) -> tuple[Array, Slots]:
        s = self.rho * slots["mean_square"] + (1 - self.rho) * g * g
        d = np.sqrt(s) + self.epsilon if self.epsilon_stands == OUTSIDE else np.sqrt(s + self.epsilon)
        direction, kept = self._momentum(step, g / d, slots)
        return direction, {"mean_square": s, **kept}

    def _adam(self, step: int, g: Array, slots: Slots) -> tuple[Array, Slots]:
        (one, two), root = self.betas, np.sqrt(1 - self.correction[1] ** step)
        m = one * slots["first_moment"] + (1 - one) * g
        v = two * slots["second_moment"] + (1 - two) * g * g
        after = self.epsilon_stands == AFTER
        d = np.sqrt(v) / root + self.epsilon if after else (np.sqrt(v) + self.epsilon) / root
        return m / (1 - self.correction[0] ** step) / d, {"first_moment": m, "second_moment": v}

    @property
    def essence(self) -> Rule:
        """The rule without what does not matter: two rules with one essence are the same mathematics."""
        essence = replace(self, buffer="b")
        if not essence.weight_decay:
            essence = replace(essence, decay="none")
        if essence.family == "sgd" and not essence.momentum:
            essence = replace(essence, nesterov=False, decay="l2" if essence.decay != "none" else "none")
        return replace(essence, epsilon_stands="") if not essence.epsilon else essence


def rule_of(framework: str, optimizer: Optimizer) -> Rule:
    """What ``optimizer`` does in ``framework``. Raises UsageError where there is no row for the two."""
    form = form_of(framework, optimizer)
    decay = "none" if not optimizer.weight_decay else form.native if optimizer.decay == "native" else optimizer.decay
    given = {name: getattr(optimizer, name) for name in ("learning_rate", "momentum", "epsilon", "rho", "weight_decay")}
    for name in form.rounded:
        if name in given and (name != "weight_decay" or decay == form.native):  # another is the adapter's, in float64
            given[name] = single(given[name])
    one, two = optimizer.betas
    families = {"adam": "adam", "adamw": "adam", "rmsprop": "rmsprop"}
    return Rule(
        family=families.get(optimizer.name, "sgd"),
        nesterov=optimizer.name == "nesterov",
        betas=optimizer.betas,
        correction=(single(one), single(two)) if "correction" in form.rounded else (one, two),
        epsilon_stands=form.epsilon,
        decay=decay,
        buffer=form.buffer,
        **given,
    )


def single(value: float) -> float:
    """The nearest float32."""
    return float(np.float32(value))


def form_of(framework: str, optimizer: Optimizer) -> Form:
    """The table's row. Raises UsageError where there is none."""
    form = FORMS.get((framework, optimizer.name))
    if form is None:
        known = ", ".join(sorted({name for name, _ in FORMS}))
        raise UsageError(f"Training is known for {known}; there is no {optimizer.name} for {framework}.")
    return form


def recipe(framework: str, optimizer: Optimizer, dtype: str = "float64") -> dict[str, Any]:
    """What a worker builds: what its constructor cannot do, the adapter does."""
    native, decay = form_of(framework, optimizer).native, rule_of(framework, optimizer).decay
    weight_decay = optimizer.weight_decay
    return {
        **{field.name: getattr(optimizer, field.name) for field in fields(Optimizer) if field.name != "decay"},
        "dtype": dtype,
        "weight_decay": weight_decay if decay == native else 0.0,
        "l2": weight_decay if decay == "l2" != native else 0.0,
        "shrink": weight_decay if decay == "decoupled" != native else 0.0,
    }
