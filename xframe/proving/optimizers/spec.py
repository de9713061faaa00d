"""Optimizers as one says them: a name, and every figure that it is built with. None is left to a framework.

``adam,learning_rate=0.001,epsilon=1e-7`` on the command line; ``adamw / adam,decay=l2`` gives each side its own.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from xframe.errors import UsageError

DECAYS = ("native", "l2", "decoupled")
_ADAM = ("learning_rate", "betas", "epsilon", "weight_decay", "decay")
_TAKES = {
    "sgd": ("learning_rate", "weight_decay", "decay"),
    "momentum": ("learning_rate", "momentum", "weight_decay", "decay"),
    "nesterov": ("learning_rate", "momentum", "weight_decay", "decay"),
    "adam": _ADAM,
    "adamw": ("learning_rate", "betas", "epsilon", "weight_decay"),
    "rmsprop": ("learning_rate", "rho", "momentum", "epsilon", "weight_decay", "decay"),
}
NAMES = tuple(_TAKES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizer:
    """An optimizer and its figures; those that its name does not take stay at 0.

    ``decay`` says what weight_decay means: "l2" adds weight_decay · p to the gradient, "decoupled" takes
    learning_rate · weight_decay · p off the weights, "native" is whatever a framework's constructor of that name does.
    """

    name: str
    learning_rate: float
    momentum: float = 0.0
    betas: tuple[float, float] = (0.0, 0.0)
    epsilon: float = 0.0
    rho: float = 0.0
    weight_decay: float = 0.0
    decay: str = "native"

    def __str__(self) -> str:
        shown = [self.name]
        for name in _TAKES[self.name]:
            value = getattr(self, name)
            if name in ("weight_decay", "decay") and not self.weight_decay:
                continue
            shown.append(f"{name}={':'.join(map(repr, value)) if isinstance(value, tuple) else value}")
        return ",".join(shown)

    def to_json(self) -> dict[str, Any]:
        """Every figure that the optimizer takes."""
        return {key: value for key, value in asdict(self).items() if key == "name" or key in _TAKES[self.name]}


_DEFAULTS: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 0.01},
    "momentum": {"learning_rate": 0.01, "momentum": 0.9},
    "nesterov": {"learning_rate": 0.01, "momentum": 0.9},
    "adam": {"learning_rate": 0.001, "betas": (0.9, 0.999), "epsilon": 1e-8},
    "adamw": {"learning_rate": 0.001, "betas": (0.9, 0.999), "epsilon": 1e-8, "weight_decay": 0.01},
    "rmsprop": {"learning_rate": 0.001, "rho": 0.9, "epsilon": 1e-8},
}  # fmt: skip


def parse_optimizer(text: str) -> Optimizer:
    """``name,figure=value,…`` as an Optimizer; what is not said takes xframe's own default, the same everywhere.

    >>> str(parse_optimizer("adam,epsilon=1e-7"))
    'adam,learning_rate=0.001,betas=0.9:0.999,epsilon=1e-07'

    Raises UsageError for an unknown name or figure, and for a value that no optimizer can use.
    """
    name, *settings = (part.strip() for part in text.split(","))
    if name not in _TAKES:
        raise UsageError(f"Expected an optimizer, one of {', '.join(NAMES)}; found '{name}'.{_nearest(name, NAMES)}")
    given: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or key not in _TAKES[name] or key in given:
            again = f"{name} is given {key} twice" if key in given else f"found '{setting}'"
            takes = ", ".join(_TAKES[name])
            raise UsageError(f"'{text}': {name} takes {takes}; {again}.{_nearest(key, _TAKES[name])}")
        given[key] = _value(key, value, text)
    return Optimizer(name=name, **{**_DEFAULTS[name], **given})


def parse_optimizers(text: str) -> tuple[Optimizer, Optimizer]:
    """The source's and the target's: one for both, or two with a slash between them. Raises UsageError."""
    parts = text.split("/")
    if len(parts) > 2:
        raise UsageError(
            f"'{text}': expected one optimizer, or the source's and the target's with a slash between them."
        )
    return parse_optimizer(parts[0].strip()), parse_optimizer(parts[-1].strip())


def _value(key: str, text: str, whole: str) -> float | str | tuple[float, float]:
    if key == "decay":
        if text not in DECAYS:
            raise UsageError(f"'{whole}': decay is one of {', '.join(DECAYS)}; found '{text}'.{_nearest(text, DECAYS)}")
        return text
    if key == "betas":
        first, colon, second = text.partition(":")
        if not colon:
            raise UsageError(f"'{whole}': expected betas as two numbers, betas=0.9:0.999; found '{text}'.")
        return _number(key, first, whole), _number(key, second, whole)
    return _number(key, text, whole)


def _number(key: str, text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    below = 1.0 if key in ("momentum", "betas", "rho") else math.inf
    if not 0 <= value < below or (key == "learning_rate" and value == 0):
        most = f"from 0 to less than {below:g}" if below < math.inf else "that is finite and not negative"
        raise UsageError(f"'{whole}': expected a number {most} for {key}; found '{text}'.")
    return value


def _nearest(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f" Did you mean '{close[0]}'?" if close else ""


FIGURES = tuple(field.name for field in fields(Optimizer) if field.name not in ("name", "decay"))
