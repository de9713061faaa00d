"""In which points two update rules are not alike, and which rule a side follows that does not follow its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import Any

import numpy as np

from xframe.proving.optimizers.rules import AFTER, BEFORE, INSIDE, OUTSIDE, Rule, single
from xframe.tensors import Array

RTOL = 1e-9
_ROUNDING = 32 * 2.0**-52
_SPOKEN = {
    "learning_rate": "learning rate",
    "weight_decay": "weight decay",
    "correction": "betas of the bias correction",
}
_DECAYS = {
    "l2": "adds weight_decay · p to the gradient (l2)",
    "decoupled": "takes learning_rate · weight_decay · p off the weights (decoupled)",
    "none": "has no weight decay",
}
_DIVIDES = {
    ("adam", AFTER): "√(v/(1−β₂ᵗ)) + ε",
    ("adam", BEFORE): "(√v + ε)/√(1−β₂ᵗ)",
    ("rmsprop", OUTSIDE): "√s + ε",
    ("rmsprop", INSIDE): "√(s + ε)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One tensor's step on one side: weights before and after, gradient, and the optimizer's state before.

    ``step`` is the number that the optimizer gives it, ``at`` that of the course; they differ where it goes on from a
    state.
    """

    name: str
    at: int
    step: int
    before: Array
    after: Array
    gradient: Array
    slots: Mapping[str, Array]

    def predicted(self, rule: Rule) -> Array:
        """The weights after the step by ``rule``, in float64."""
        before, gradient = self.before.astype(np.float64), self.gradient.astype(np.float64)
        return rule.update(self.step, before, gradient, self.slots)

    def off(self, rule: Rule) -> float:
        """How far the weights are from what ``rule`` predicts, over the largest change of any; 0 within rounding."""
        error = float(np.abs(self.predicted(rule) - self.after).max(initial=0.0))
        if not np.isfinite(error):
            return float("inf")
        if error <= _ROUNDING * float(np.abs(self.before).max(initial=0.0)):
            return 0.0
        change = float(np.abs(self.after - self.before).max(initial=0.0))
        return error / change if change else float("inf")


@dataclass(frozen=True, slots=True)
class Trait:
    """A point in which two rules differ, in a sentence; ``instead`` is the source's rule with the target's way."""

    name: str
    sentence: str
    instead: Rule


def traits(ours: Rule, theirs: Rule, sides: tuple[str, str]) -> list[Trait]:
    """Every point in which the two differ mathematically."""
    one, other = ours.essence, theirs.essence
    if one.family != other.family:
        return [Trait("optimizer", f"{sides[0]} does {ours.family}, {sides[1]} {theirs.family}", theirs)]
    names = [field.name for field in fields(Rule) if getattr(one, field.name) != getattr(other, field.name)]
    if "decay" in names and "none" in (one.decay, other.decay):
        names = [name for name in names if name != "weight_decay"]
    return [
        Trait(name, _sentence(name, ours, theirs, sides), _instead(name, ours, theirs))
        for name in names
    ]  # fmt: skip


def _instead(name: str, ours: Rule, theirs: Rule) -> Rule:
    changed = {name: getattr(theirs, name)}
    if name == "decay" and "none" in (ours.essence.decay, theirs.essence.decay):
        changed["weight_decay"] = theirs.weight_decay
    return replace(ours, **changed)


def _sentence(name: str, ours: Rule, theirs: Rule, sides: tuple[str, str]) -> str:
    one, other = sides
    if name == "decay":
        return f"{one} {_DECAYS[ours.essence.decay]}, {other} {_DECAYS[theirs.essence.decay]}"
    if name == "epsilon_stands":
        ways = [_DIVIDES[rule.family, rule.epsilon_stands] for rule in (ours, theirs)]
        return f"{one} divides by {ways[0]}, {other} by {ways[1]}: epsilon {theirs.epsilon_stands}"
    if name == "nesterov":
        return f"{one} {_nesterov(ours)}, {other} {_nesterov(theirs)}"
    values = getattr(ours, name), getattr(theirs, name)
    said = f"the {_SPOKEN.get(name, name)} of {one} is {_shown(values[0])}, that of {other} {_shown(values[1])}"
    rounded = [side for side, mine, its in ((one, *values), (other, *values[::-1])) if _rounds(mine, its)]
    return f"{said}: {rounded[0]} keeps it in float32" if rounded else said


def _nesterov(rule: Rule) -> str:
    return "looks ahead (Nesterov)" if rule.nesterov else "does not look ahead"


def _shown(value: Any) -> str:
    return " and ".join(map(repr, value)) if isinstance(value, tuple) else repr(value)


def _rounds(value: Any, exact: Any) -> bool:
    """Whether ``value`` is ``exact`` in float32."""
    mine, its = (held if isinstance(held, tuple) else (held,) for held in (value, exact))
    return mine != its and all(a == single(b) for a, b in zip(mine, its, strict=True))


def followed_instead(rule: Rule, updates: Sequence[Update]) -> tuple[str, Rule] | None:
    """The nearest other rule that reproduces every update to 1e-9, and in what it differs; None where none does."""
    probe = max(updates, key=lambda update: update.off(rule))
    for said, other in _others(rule):
        if probe.off(other) <= RTOL and all(update.off(other) <= RTOL for update in updates):
            return said, other
    return None


def _others(rule: Rule) -> Iterator[tuple[str, Rule]]:
    """Rules that differ in one point, then those that differ in two."""
    changes = [*_changes(rule)]
    for count in (1, 2):
        for chosen in combinations(changes, count):
            if len({name for name, _ in chosen}) == count:
                said = " and ".join(f"{_SPOKEN.get(name, name)} {_value(name, value)}" for name, value in chosen)
                yield said, replace(rule, **dict(chosen))


def _value(name: str, value: Any) -> str:
    if name == "epsilon_stands":
        return str(value)
    return _shown(value) if not isinstance(value, str) else f"'{value}'"


def _changes(rule: Rule) -> Iterator[tuple[str, Any]]:
    tried: dict[str, tuple[Any, ...]] = {
        "decay": ("l2", "decoupled", "none"),
        "nesterov": (True, False),
        "momentum": (0.0, 0.9, 0.99, single(rule.momentum)),
        "epsilon": (1e-8, 1e-7, 1e-6, 1e-10, 1e-3, single(rule.epsilon)),
        "epsilon_stands": {"adam": (AFTER, BEFORE), "rmsprop": (OUTSIDE, INSIDE)}.get(rule.family, ()),
        "betas": ((0.9, 0.999), (0.9, 0.99), (0.9, 0.95)),
        "rho": (0.9, 0.95, 0.99, single(rule.rho)),
        "weight_decay": (0.0, 0.01, 0.004, single(rule.weight_decay)),
        "learning_rate": (0.001, 0.01, 0.1, single(rule.learning_rate)),
        "correction": (tuple(map(single, rule.correction)),),
    }
    for name, values in tried.items():
        yield from ((name, value) for value in dict.fromkeys(values) if value != getattr(rule, name))
