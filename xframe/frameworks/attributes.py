"""Attributes of layers in one spelling: each framework's table says where its classes keep them.

Strides, dilations and windows are lists of a number an axis, padding is a list of [before, after] an axis, or "same".
Momentum is the share of a new batch in a running statistic, as torch has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_FRAMEWORKS = ("paddle", "torch", "keras")
Value = bool | int | float | str | None | list[Any]
Attributes = dict[str, Value]


def _as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Attribute:
    """The name under which a class keeps an attribute, and how its value is read and written there.

    ``into`` is where it is written, if elsewhere; ``also`` what has to be set with it.
    """

    own: str
    read: Callable[[Any], Any] = _as_it_is
    write: Callable[[Any], Any] = _as_it_is
    into: str = ""
    also: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, value: Value) -> dict[str, Any]:
        """What a layer has to hold, under its own names, to have ``value``."""
        return {self.into or self.own: self.write(value), **self.also}


@dataclass(frozen=True, slots=True)
class Description:
    """What a class of layers is: its kind, where its attributes are, and those that all of its layers share."""

    kind: str
    attributes: Mapping[str, Attribute]
    always: Mapping[str, Value] = field(default_factory=dict)


Descriptions = Mapping[str, Description]


def described(layer: Any, known: Descriptions) -> Description | None:
    """By the layer's class, or the nearest of its bases that ``known`` has; classes of one's own are not known."""
    names = (base.__name__ for base in type(layer).__mro__ if base.__module__.partition(".")[0] in _FRAMEWORKS)
    return next((known[name] for name in names if name in known), None)


def attributes_of(layer: Any, known: Descriptions) -> Attributes | None:
    """``kind`` and every attribute; None where the class is not known."""
    found = described(layer, known)
    if found is None:
        return None
    read = {name: where.read(getattr(layer, where.own)) for name, where in found.attributes.items()}
    if read.get("stride", ()) is None:  # a pool's windows lie side by side unless it says otherwise
        read["stride"] = read["window"]
    return {"kind": found.kind, **found.always, **read}


@contextmanager
def changed(layer: Any, attributes: Attributes, known: Descriptions) -> Iterator[None]:
    """The layer with other attributes, until the end. Raises ValueError for one that it does not have."""
    found = described(layer, known)
    homes = {} if found is None else found.attributes
    if foreign := sorted(attributes.keys() - homes.keys()):
        raise ValueError(f"a {type(layer).__name__} has no {', '.join(foreign)} that can be set")
    settings = {own: held for name, value in attributes.items() for own, held in homes[name].settings(value).items()}
    before = {own: getattr(layer, own) for own in settings}
    try:
        for own, value in settings.items():
            setattr(layer, own, value)
        yield
    finally:
        for own, value in before.items():
            setattr(layer, own, value)


def per_axis(value: Any, axes: int = 2) -> Any:
    """3, (3,) and (3, 3) as [3, 3]; None and lengths that are None stay."""
    if value is None:
        return None
    numbers = list(value) if isinstance(value, tuple | list) else [value]
    numbers = numbers * axes if len(numbers) == 1 else numbers
    return [None if number is None else int(number) for number in numbers]


def both_ends(value: Any, axes: int = 2) -> Value:
    """Padding as [before, after] an axis: from one number, one an axis, both ends of each in a row, or in pairs."""
    if isinstance(value, str):
        return [[0, 0]] * axes if value.lower() == "valid" else value.lower()
    if isinstance(value, tuple | list) and value and isinstance(value[0], tuple | list):
        return [[int(end) for end in pair] for pair in value[-axes:]]
    numbers = per_axis(value, axes)
    if len(numbers) == 2 * axes:
        return [numbers[2 * axis : 2 * axis + 2] for axis in range(axes)]
    return [[number, number] for number in numbers]


def complement(value: Any) -> float:
    """Momentum as the share of the old, turned into the share of the new, and back; without the digits of 1 − 0.9."""
    return round(1.0 - float(value), 12)


def one_end(value: Any) -> tuple[int, ...]:
    """[[1, 1], [2, 2]] as (1, 2). Raises ValueError where before and after differ."""
    if isinstance(value, str) or any(before != after for before, after in value):
        raise ValueError(f"this class pads both ends of an axis alike, not by {value}")
    return tuple(before for before, _ in value)


SPATIAL = ((1, "1d"), (2, "2d"), (3, "3d"))  # axes besides batch and channels, and how a class's name ends
RELU: Mapping[str, Value] = {"slope": 0.0, "maximum": None}
SCALARS = ("Sigmoid", "Tanh", "Hardswish", "Hardsigmoid", "Mish", "Softsign", "Softplus", "SELU")  # nothing to set
