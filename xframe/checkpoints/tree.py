"""A nest of dicts and lists becomes a flat state dict: names joined by dots, everything that is no tensor left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from xframe.checkpoints.refusals import refusal, shown

Leaf = TypeVar("Leaf")

DEEPEST = 64
MOST_NODES = 1_000_000
MOST_LETTERS = 64_000_000
_MOST_NAMED = 8
_BRANCHES = (dict, list, tuple)


@dataclass(frozen=True, slots=True)
class Flat(Generic[Leaf]):
    """Tensors by their dotted names, and notes on what the file holds besides."""

    tensors: dict[str, Leaf]
    notes: tuple[str, ...]


def flatten(tree: object, leaf: Callable[[object], Leaf | None], place: str) -> Flat[Leaf]:
    """Names every tensor in ``tree``; ``leaf`` gives the tensor that a value stands for, or None.

    Bounded for hostile trees: cycles end at a depth, shared branches at a number of nodes.
    """
    if type(tree) is not dict:
        raise refusal(
            place,
            expected="a state dict: tensors by name",
            found=f"a {type(tree).__name__} by itself",
            attempt="save the model's state_dict()",
        )
    tensors: dict[str, Leaf] = {}
    left_out: dict[str, str] = {}
    for name, value in _walk(tree, leaf, place):
        if name in tensors or name in left_out:
            raise refusal(place, expected="every name once", found=f"{shown(name)} again")
        tensor = leaf(value)
        if tensor is None:
            left_out[name] = type(value).__name__
        else:
            tensors[name] = tensor
    return Flat(tensors, (*_wrapper_note(tree, leaf), *_left_out_note(left_out)))


def _walk(tree: object, leaf: Callable[[object], object], place: str) -> Iterator[tuple[str, object]]:
    """Leaves in file order, by an explicit stack: nothing recurses on a stranger's data."""
    branches: list[Iterator[tuple[str, object]]] = [_children("", tree)]
    letters = 0
    for _ in range(MOST_NODES):
        step = next(branches[-1], None)
        if step is None:
            branches.pop()
            if not branches:
                return
            continue
        letters += len(step[0])
        if letters > MOST_LETTERS or len(branches) > DEEPEST:
            raise refusal(place, expected=f"names and at most {DEEPEST} levels of nesting", found="more, or a loop")
        if type(step[1]) in _BRANCHES and leaf(step[1]) is None:
            branches.append(_children(*step))
        else:
            yield step
    raise refusal(place, expected=f"at most {MOST_NODES} entries", found="more, or branches shared over and over")


def _children(prefix: str, branch: object) -> Iterator[tuple[str, object]]:
    assert isinstance(branch, dict | list | tuple)
    items = branch.items() if isinstance(branch, dict) else enumerate(branch)
    return ((f"{prefix}.{key}" if prefix else str(key), value) for key, value in items)


def _wrapper_note(tree: dict[object, object], leaf: Callable[[object], object]) -> Iterator[str]:
    """Says so when every tensor lies in branches of the file, as in ``{'state_dict': …, 'epoch': 3}``."""
    if any(leaf(value) is not None for value in tree.values()):
        return
    branches = [shown(key) for key, value in tree.items() if type(value) in _BRANCHES and value]
    if branches:
        listed = ", ".join(branches[:_MOST_NAMED]) + (", …" if len(branches) > _MOST_NAMED else "")
        yield f"every tensor lies under {listed}: the names keep that prefix"


def _left_out_note(left_out: dict[str, str]) -> Iterator[str]:
    if left_out:
        named = ", ".join(f"{shown(name)} ({kind})" for name, kind in list(left_out.items())[:_MOST_NAMED])
        more = f" and {len(left_out) - _MOST_NAMED} more" if len(left_out) > _MOST_NAMED else ""
        yield f"left out, not tensors: {named}{more}"
