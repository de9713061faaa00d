"""A model's state dict as the parts that a table has rows for: layers with their tensors, in the order they run."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from xframe.digests import digest
from xframe.errors import UsageError
from xframe.inferring.readings import Reading, readings
from xframe.mapping.kinds import Kinds
from xframe.mapping.table import AND, OWN
from xframe.tensors import Array, TensorSpec

_RECURRENT = "RNN|LSTM|GRU|SimpleRNN|BiRNN"
Read = Callable[[Mapping[str, tuple[int, ...]], str], tuple[Reading, ...]]  # a layer's shapes and class → readings


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a cell of a table names: its tensors, by their own names, and the layer that holds them.

    ``layer`` is "" where there is none that can be watched. ``calls`` are the numbers of its calls among all of the
    model's, in the order in which they end; none where the forward pass does not use it.
    """

    cell: str
    layer: str
    class_: str
    tensors: Mapping[str, TensorSpec]
    readings: tuple[Reading, ...]
    calls: tuple[int, ...] = ()
    read: str = ""  # a digest of what its first call read
    members: tuple[Part, ...] = ()  # the layers that it is made of, where the other side has them as one
    copies: tuple[Part, ...] = ()  # the layers that it is, each called once, where the other side has one for all
    again: tuple[TensorSpec, ...] = ()  # its tensors' further names, or those of its copies
    shared: bool = False  # with other parts, so that what the layer gives says nothing of this part alone
    gave: tuple[int, ...] = field(default=())  # the shape of what its first call gave, channels first, without batch

    @property
    def called(self) -> str:
        """The cell, for people."""
        if self.members:
            return ", ".join(member.cell for member in self.members)
        return "the model itself" if self.cell == OWN else self.cell

    @property
    def specs(self) -> tuple[TensorSpec, ...]:
        """Its tensors, under all their names in the state dict."""
        return (*self.tensors.values(), *self.again)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of its tensors, by their own names."""
        return {own: spec.shape for own, spec in self.tensors.items()}

    def reads_as(self, *kinds: str) -> bool:
        """Whether it reads as nothing but one of these kinds."""
        return bool(self.readings) and all(reading.kind.name in kinds for reading in self.readings)

    @property
    def seen(self) -> bool:
        """Whether what it gives can be watched: it is a layer that runs, and the only part of it."""
        if self.members:
            return all(member.seen for member in self.members)
        return bool(self.layer and self.calls) and not self.shared

    @property
    def layers(self) -> tuple[str, ...]:
        """Those that it is, to be watched; none where there is none."""
        if several := self.members or self.copies:
            return tuple(part.layer for part in several)
        return (self.layer,) if self.layer else ()

    @property
    def signature(self) -> tuple[object, ...]:
        """What parts have in common that could stand for each other."""
        return self.class_, tuple(sorted(self.shapes.items())), bool(self.readings)


def parts_of(
    specs: Mapping[str, TensorSpec], layers: Mapping[str, str], framework: str, separator: str, kinds: Kinds
) -> list[Part]:
    """The parts of a state dict. ``layers`` are the classes of the model's layers, by name; empty for bare files.

    Raises UsageError for a name that no cell of a table can say.
    """
    odd = next((name for name in specs if "{" in name or "}" in name or AND in name), None)
    if odd is not None:
        raise UsageError(f"A tensor is called {odd!r}: braces and commas mean something in a table. Try: another name.")

    def read(shapes: Mapping[str, tuple[int, ...]], class_: str) -> tuple[Reading, ...]:
        return readings(shapes, framework, class_, kinds)

    return list(_Grouping(layers, separator, read, _words(kinds, framework)).parts("", specs))


def _words(kinds: Kinds, framework: str) -> list[str]:
    """Every own name of a tensor in this framework, long ones first: they contain short ones."""
    found = {
        form.name
        for kind in kinds.kinds.values()
        for tensor in kind.tensors
        for dialect, form in tensor.forms.items()
        if dialect.partition("/")[0] == framework
    }
    return sorted(found, key=lambda name: (-len(name), name))


@dataclass(slots=True)
class _Grouping:
    layers: Mapping[str, str]
    separator: str
    read: Read
    words: Sequence[str]

    def parts(self, prefix: str, tensors: Mapping[str, TensorSpec]) -> Iterator[Part]:
        """Those below ``prefix``; ``tensors`` by what stands behind it. The outermost layer that reads is the part."""
        whole = self._part(prefix, tensors) if prefix else None
        if whole is not None:
            yield whole
            return
        own = {name: spec for name, spec in tensors.items() if self.separator not in name}
        below: dict[str, dict[str, TensorSpec]] = defaultdict(dict)
        for name, spec in tensors.items():
            head, separator, rest = name.partition(self.separator)
            if separator:
                below[head][rest] = spec
        if own:
            yield from self._own(prefix, own)
        for head, held in below.items():
            yield from self.parts(f"{prefix}{self.separator}{head}" if prefix else head, held)

    def _part(self, cell: str, tensors: Mapping[str, TensorSpec]) -> Part | None:
        """One part of these tensors, where they read as a layer of some kind."""
        layer = self._layer(cell)
        class_ = self.layers.get(layer, "")
        found = self.read({own: spec.shape for own, spec in tensors.items()}, class_ if layer == cell else "")
        if not found:
            return None
        return Part(cell=cell, layer=layer, class_=class_, tensors=dict(tensors), readings=found)

    def _own(self, prefix: str, tensors: Mapping[str, TensorSpec]) -> Iterator[Part]:
        """A layer's own tensors: one part, or several whose names share what is no kind's word; else as they are."""
        whole = self._part(prefix, tensors) if prefix else None
        if whole is not None:
            yield whole
            return
        for words in ([word for word in self.words if not re.search(r"\d", word)], self.words):
            found = [self._part(cell, held) for cell, held in self._cells(prefix, tensors, words).items()]
            if all(found):
                yield from (part for part in found if part is not None)
                return
        layer = self._layer(prefix)
        yield Part(
            cell=prefix or OWN, layer=layer, class_=self.layers.get(layer, ""), tensors=dict(tensors), readings=()
        )

    def _cells(
        self, prefix: str, tensors: Mapping[str, TensorSpec], words: Sequence[str]
    ) -> dict[str, dict[str, TensorSpec]]:
        """The tensors by what their names share besides the kinds' words: ``gru.{tensor}_l1``."""
        cells: dict[str, dict[str, TensorSpec]] = defaultdict(dict)
        for name, spec in tensors.items():
            cell, own = self._placed(name, words)
            cells[f"{prefix}{self.separator}{cell}" if prefix else cell][own] = spec
        return cells

    @staticmethod
    def _placed(name: str, words: Sequence[str]) -> tuple[str, str]:
        """``weight_ih_l1`` as ``{tensor}_l1`` and ``weight_ih``: a kind's word, where it stands by itself."""
        for word in words:
            match = re.search(rf"(?<![A-Za-z]){re.escape(word)}(?![A-Za-z])", name)
            if match and word != name:
                return f"{name[: match.start()]}{OWN}{name[match.end() :]}", word
        return OWN, name

    def _layer(self, cell: str) -> str:
        """The innermost layer that the cell lies in; of a recurrent layer's cell that layer: it is what is called."""
        name = cell
        while name and (name not in self.layers or self._is_inside(name)):
            name = name.rpartition(self.separator)[0]
        return name

    def _is_inside(self, name: str) -> bool:
        """Whether this is the cell of a recurrent layer, or what holds one."""
        outer = name.rpartition(self.separator)[0]
        while outer:
            if re.fullmatch(_RECURRENT, self.layers.get(outer, "")):
                return True
            outer = outer.rpartition(self.separator)[0]
        return False


def joined(parts: Sequence[Part], same: Callable[[Part, Part], bool]) -> list[Part]:
    """Parts that are the same tensors under other names, as one part with several names; ``same`` holds two of them."""
    found: list[Part] = []
    for part in parts:
        twin = next((other for other in found if other.shapes == part.shapes and same(other, part)), None)
        if twin is None:
            found.append(part)
        else:
            cell, again = f"{twin.cell}{AND}{part.cell}", (*twin.again, *part.specs)
            found[found.index(twin)] = replace(twin, cell=cell, again=again)
    return found


def tied(one: Part, other: Part, state: Mapping[str, Array]) -> bool:
    """Whether two parts are the same tensors: the same bits, and not just ones or zeros."""
    pairs = [(state[spec.name], state[other.tensors[own].name]) for own, spec in one.tensors.items()]
    telling = any(array.size > 1 and np.ptp(array) > 0 for array, _ in pairs)
    return telling and all(digest(array) == digest(twin) for array, twin in pairs)
