"""What is odd about a built model and shows in no state dict: layers that it does not know of, untrue lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Oddity = tuple[str, str, str]  # "unregistered" or "declared", the layer, a sentence
Lengths = Mapping[str, tuple[str, int]]  # declared attribute → tensor and axis that have its length


def kept(value: Any, kind: type, path: str) -> Iterator[tuple[str, Any]]:
    """Every layer in plain lists, tuples and dicts, however nested, and where it is: ``blocks[0]``."""
    if isinstance(value, kind):
        yield path, value
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from kept(item, kind, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from kept(item, kind, f"{path}[{key!r}]")


def unregistered(named: Sequence[tuple[str, Any]], kind: type, own: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """Layers that the registered ones hold in plain containers. ``own`` are the framework's own containers."""
    known = {id(layer) for _, layer in named}
    for name, layer in named:
        for attribute, value in vars(layer).items():
            if attribute in own or isinstance(value, kind):
                continue
            for path, found in kept(value, kind, f"{name}.{attribute}" if name else attribute):
                if id(found) not in known:
                    yield path, found


def told(path: str, layer: Any, calls: int | None, container: str) -> Oddity:
    """A layer that is not registered; ``calls`` in a forward pass, None where there was none."""
    used = {None: "", 0: "not in the forward pass, and "}.get(calls, "in the forward pass but ")
    sentence = (
        f"this {type(layer).__name__} is {used}not registered: it is kept in a plain list, tuple or dict, so its "
        f"tensors are in no state dict; keep it in {container}"
    )
    return "unregistered", path, sentence


def declared(
    named: Sequence[tuple[str, Any]], lengths: Mapping[str, Lengths], shape: Callable[[Any, str], Sequence[int] | None]
) -> Iterator[Oddity]:
    """Layers whose attributes say another length than their tensors have. ``shape`` is that of a layer's tensor."""
    for name, layer in named:
        known = next((lengths[base.__name__] for base in type(layer).__mro__ if base.__name__ in lengths), {})
        for attribute, (tensor, axis) in known.items():
            said, found = getattr(layer, attribute, None), shape(layer, tensor)
            if isinstance(said, int) and found is not None and said != found[axis]:
                why = "setting an attribute of a built layer changes no tensor; build it anew"
                yield "declared", name, f"its {attribute} says {said}, but its {tensor} is {list(found)}: {why}"
