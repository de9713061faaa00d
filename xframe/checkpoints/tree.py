"""A nest of dicts and lists becomes a flat state dict: tensors by dotted names, all else in a few words beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from xframe.checkpoints.refusals import refusal, shown

Leaf = TypeVar("Leaf")

DEEPEST = 64
MOST_NODES = 1_000_000
MOST_TENSORS = 250_000  # a pickle may name one tensor over and over, a byte or two each time
MOST_LETTERS = 64_000_000
MOST_LISTED = 1000
_MOST_ITEMS = 8
_LONGEST_INTEGER = 128  # bits
_BRANCHES = (dict, list, tuple)


@dataclass(frozen=True, slots=True)
class Flat(Generic[Leaf]):
    """Tensors by their dotted names, and what the file holds besides.

    ``metadata`` has every other value in a few words, at most ``MOST_LISTED`` of them. ``branches`` has every dict or
    list below the top that holds tensors, by its dotted path, with the number of tensors in and below it.
    """

    tensors: dict[str, Leaf]
    metadata: dict[str, str]
    branches: dict[str, int]
    notes: tuple[str, ...] = ()


def flatten(tree: object, leaf: Callable[[object], Leaf | None], place: str) -> Flat[Leaf]:
    """Names every tensor in ``tree``; ``leaf`` gives the tensor that a value stands for, or None.

    Bounded for hostile trees: cycles end at a depth, shared branches at a number of nodes.
    """
    if type(tree) is not dict:
        raise refusal(
            place,
            expected="a state dict: tensors by name",
            found=f"{_kind(tree)}, by itself",
            attempt="save the model's state_dict()",
        )
    walk = _Walk(leaf, place)
    walk.run(tree)
    unlisted = len(walk.others) - len(walk.metadata)
    notes = (f"{unlisted} more values that are no tensors, not listed",) if unlisted else ()
    branches = {path: count for path, count in walk.branches.items() if count}
    return Flat(walk.tensors, walk.metadata, branches, notes)


@dataclass(slots=True)
class _Branch:
    """A dict or list that is being walked through, and the number of tensors seen in it so far."""

    path: str
    children: Iterator[tuple[str, object]]
    tensors: int = 0


@dataclass(slots=True)
class _Walk(Generic[Leaf]):
    """One walk in file order, by an explicit stack: nothing recurses on a stranger's data."""

    leaf: Callable[[object], Leaf | None]
    place: str
    tensors: dict[str, Leaf] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    branches: dict[str, int] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    nodes: int = 0
    letters: int = 0

    def run(self, tree: dict[object, object]) -> None:
        stack = [_Branch("", _children("", tree))]
        while stack:
            step = next(stack[-1].children, None)
            if step is None:
                self._close(stack)
                continue
            self._check_bounds(len(step[0]), len(stack))
            self._visit(stack, *step)

    def _visit(self, stack: list[_Branch], name: str, value: object) -> None:
        tensor = self.leaf(value)
        if tensor is None and not self._is_plain(value):
            self.branches.setdefault(name, 0)
            stack.append(_Branch(name, _children(name, value)))
            return
        if name in self.tensors or name in self.others:
            raise refusal(self.place, expected="every name once", found=f"{shown(name)} again")
        if tensor is not None:
            self.tensors[name] = tensor
            stack[-1].tensors += 1
            if len(self.tensors) > MOST_TENSORS:
                raise refusal(self.place, expected=f"at most {MOST_TENSORS} tensors", found="more")
            return
        self.others.add(name)
        if len(self.metadata) < MOST_LISTED:
            self.metadata[shown(name)] = in_words(value)

    def _close(self, stack: list[_Branch]) -> None:
        done = stack.pop()
        if stack:
            self.branches[done.path] += done.tensors
            stack[-1].tensors += done.tensors

    def _check_bounds(self, letters: int, depth: int) -> None:
        self.nodes += 1
        self.letters += letters
        if self.letters > MOST_LETTERS or depth > DEEPEST:
            raise refusal(
                self.place, expected=f"names and at most {DEEPEST} levels of nesting", found="more, or a loop"
            )
        if self.nodes > MOST_NODES:
            raise refusal(
                self.place,
                expected=f"at most {MOST_NODES} entries",
                found="more, or branches shared over and over",
            )

    def _is_plain(self, value: object) -> bool:
        """Whether a value is told in words as a whole: no branch, an empty one, or a list of plain values."""
        if type(value) not in _BRANCHES or not value:
            return True
        if not isinstance(value, list | tuple):
            return False
        self.nodes += len(value)
        return not any(type(item) in _BRANCHES or self.leaf(item) is not None for item in value)


def _children(prefix: str, branch: object) -> Iterator[tuple[str, object]]:
    assert isinstance(branch, dict | list | tuple)
    items = branch.items() if isinstance(branch, dict) else enumerate(branch)
    return ((f"{prefix}.{key}" if prefix else str(key), value) for key, value in items)


def in_words(value: object) -> str:
    """A value out of a file, printable and in a line: ``3``, ``adam``, ``[30, 60, … 40 in all]``."""
    if isinstance(value, list | tuple):
        items = ", ".join(_in_a_word(item) for item in value[:_MOST_ITEMS])
        more = f", … {len(value)} in all" if len(value) > _MOST_ITEMS else ""
        return f"[{items}{more}]" if isinstance(value, list) else f"({items}{more})"
    return _in_a_word(value)


def _kind(value: object) -> str:
    """What a record of ours is in its own words, and a value of Python's by its type."""
    return f"a {type(value).__name__}" if type(value).__module__ == "builtins" else _in_a_word(value)


def _in_a_word(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > _LONGEST_INTEGER:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    # A record of ours says more of itself only if it has words for it.
    mute = type(value).__str__ is object.__str__ and not isinstance(value, str | int | float | dict | type(None))
    return f"<{type(value).__name__}>" if mute else shown(value)
