"""A symbolic reader of pickles: it interprets opcodes into inert records, and imports and calls nothing.

A format states its ``Rules``: which globals its pickles may name, what a call of each means, what BUILD may be applied
to. All else is refused where it stands, with its offset. The result holds only None, bool, int, float, str, Payload,
list, dict, tuple, Global and whatever frozen records the rules make.

The opcodes are those of PEP 307 (protocol 2), PEP 3154 (4) and PEP 574 (5) that pickled state dicts are made of.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from xframe.checkpoints.pickles.cursor import Cursor
from xframe.checkpoints.pickles.opcodes import REFUSED
from xframe.checkpoints.refusals import FRESH_COPY, shown
from xframe.errors import UnsafeCheckpoint

# An opcode of one byte may cost 100 bytes of memory, so their number is bounded. A tensor takes about 40.
MOST_OPCODES = 2_000_000
LONGEST_INTEGER = 16
WIDEST_NUMBER = 16  # bytes of a complex128
_NOTHING_RAN = "nothing was imported or called"
_IF_TRUSTED = "if you trust its source, load it with the framework that wrote it and save the state dict alone"


@dataclass(frozen=True, slots=True)
class Global:
    """A name that the pickle mentions. It stays a name."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{shown(self.module)}.{shown(self.name)}"


@dataclass(frozen=True, slots=True)
class Payload:
    """Bytes left where they lie: ``length`` of them, ``offset`` from the start of the pickle.

    ``short`` holds them as well where they are no more than a number takes; else it is empty.
    """

    offset: int
    length: int
    short: bytes = b""


class RuleError(Exception):
    """Raised by a rule: what it expected, what it found in its place, perhaps what to try."""

    def __init__(self, expected: str, found: str, attempt: str = FRESH_COPY) -> None:
        self.expected, self.found, self.attempt = expected, found, attempt
        super().__init__(expected, found, attempt)


class UnsafeCallError(RuleError):
    """Raised by a rule for a call that would run code of the file's choosing."""


Call = Callable[[tuple[object, ...]], object]
Build = Callable[[object, object], object]


def _no_persistent_ids(identifier: object) -> object:
    raise RuleError("no persistent ids", f"one, {_described(identifier)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What one format's pickles may say.

    ``names`` may be mentioned; ``calls`` may also be called: each gets the arguments and returns a record or raises
    RuleError. ``builds`` gives, by the type of record, what BUILD makes of it and its state. ``foreign`` are well-known
    globals that do no harm and that we cannot follow, each with what to try instead. ``attempt`` is what to try for any
    other global.
    """

    names: frozenset[Global]
    calls: Mapping[Global, Call]
    builds: Mapping[type, Build]
    foreign: Mapping[Global, str]
    persistent: Callable[[object], object] = _no_persistent_ids
    attempt: str = _IF_TRUSTED


def interpret(file: BinaryIO, size: int, rules: Rules, place: str) -> object:
    """The one object of the pickle that the next ``size`` bytes of ``file`` hold; ``place`` names it in errors."""
    cursor = Cursor(file, size, place)
    tree = _interpreted(cursor, rules)
    cursor.finish()
    return tree


def interpret_next(file: BinaryIO, size: int, rules: Rules, place: str) -> object:
    """The object of a pickle within the next ``size`` bytes of ``file``, which is left where the pickle ends."""
    cursor = Cursor(file, size, place)
    tree = _interpreted(cursor, rules)
    cursor.finish_frame()
    return tree


def _interpreted(cursor: Cursor, rules: Rules) -> object:
    try:
        return _Machine(cursor, rules).run()
    except RuleError as broken:
        refused = cursor.refuse(broken.expected, broken.found, broken.attempt)
        raise UnsafeCheckpoint(str(refused)) if isinstance(broken, UnsafeCallError) else refused from None


@dataclass(slots=True)
class _Cell:
    """A record in the memo that BUILD may replace, however many places of the memo it has."""

    value: object


class _Machine:
    """The stack, the marks and the memo of one run."""

    def __init__(self, cursor: Cursor, rules: Rules) -> None:
        self.cursor = cursor
        self.rules = rules
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        self.cells: dict[int, _Cell] = {}  # id of a record → what stands for it in the memo: BUILD replaces it there

    def run(self) -> object:
        for _ in range(MOST_OPCODES):
            code = self.cursor.opcode()
            if code == _STOP:
                return self.stop()
            handler = _HANDLERS.get(code)
            if handler is None:
                raise RuleError("an opcode of a state dict", REFUSED.get(code, f"the byte 0x{code:02x}"))
            handler(self)
        raise RuleError(f"at most {MOST_OPCODES} opcodes", "more")

    def stop(self) -> object:
        result = self.pop()
        if self.stack or self.marks:
            raise RuleError("one object", "more on the stack")
        return result

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self) -> object:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise RuleError("a value on the stack", "none")
        return self.stack.pop()

    def top(self) -> object:
        value = self.pop()
        self.stack.append(value)
        return value

    def since_mark(self) -> list[object]:
        if not self.marks:
            raise RuleError("a mark on the stack", "none")
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def last(self, count: int) -> tuple[object, ...]:
        if len(self.stack) - (self.marks[-1] if self.marks else 0) < count:
            raise RuleError(f"{count} values on the stack", "fewer")
        values = tuple(self.stack[-count:])
        del self.stack[-count:]
        return values

    def memoize(self, key: int) -> None:
        if key in self.memo:
            raise RuleError("a fresh place in the memo", f"{key}, which is taken")
        value = self.top()
        rebuilt = type(value) in self.rules.builds
        self.memo[key] = self.cells.setdefault(id(value), _Cell(value)) if rebuilt else value

    def recall(self, key: int) -> None:
        if key not in self.memo:
            raise RuleError("a filled place in the memo", f"{key}, which is empty")
        value = self.memo[key]
        self.push(value.value if isinstance(value, _Cell) else value)

    def mention(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise RuleError("a module and a name", "other values")
        found = Global(module, name)
        if found in self.rules.foreign:
            raise RuleError("dense tensors and plain values", str(found), self.rules.foreign[found])
        if found not in self.rules.names and found not in self.rules.calls:
            raise UnsafeCallError(
                "tensors and plain values", f"a request for {found}; {_NOTHING_RAN}", self.rules.attempt
            )
        self.push(found)

    def reduce(self) -> None:
        function, arguments = self.last(2)
        if not isinstance(function, Global) or function not in self.rules.calls:
            raise RuleError("a call of a known function", f"a call of {_described(function)}")
        if type(arguments) is not tuple:
            raise RuleError("a tuple of arguments", _described(arguments))
        self.push(self.rules.calls[function](arguments))

    def build(self) -> None:
        target, state = self.last(2)
        if type(target) not in self.rules.builds:
            raise RuleError("BUILD on an array, dtype or OrderedDict", f"BUILD on {_described(target)}")
        built = self.rules.builds[type(target)](target, state)
        cell = self.cells.pop(id(target), None)
        if cell is not None:
            cell.value = built
            self.cells[id(built)] = cell
        self.push(built)

    def append(self, values: list[object]) -> None:
        target = self.top()
        if type(target) is not list:
            raise RuleError("a list to append to", _described(target))
        target.extend(values)

    def set_items(self, values: list[object]) -> None:
        target = self.top()
        if type(target) is not dict:
            raise RuleError("a dict to set items of", _described(target))
        if len(values) % 2:
            raise RuleError("a value for every key", "a key alone")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if type(key) not in {str, int}:
                raise RuleError("keys of text or integers", _described(key))
            if key in target:
                raise RuleError("every key once", f"{shown(key)} again")
            target[key] = value

    def payload(self, width: int) -> None:
        length, offset = self.cursor.number(width), self.cursor.position
        if length <= WIDEST_NUMBER:
            self.push(Payload(offset, length, self.cursor.take(length)))
        else:
            self.push(Payload(self.cursor.skip(length), length))

    def integer(self) -> None:
        length = self.cursor.number(1)
        data = self.cursor.take(length)
        if len(data.rstrip(b"\0")) > LONGEST_INTEGER:
            raise RuleError(f"an integer of at most {LONGEST_INTEGER} bytes", f"one of {length}")
        self.push(int.from_bytes(data, "little", signed=True))

    def protocol(self) -> None:
        version = self.cursor.number(1)
        if self.cursor.at != 0 or not 2 <= version <= 5:
            raise RuleError("a pickle of protocol 2 to 5, said once at its start", f"protocol {version}")


def _described(value: object) -> str:
    return str(value) if isinstance(value, Global) else f"a {type(value).__name__}"


_STOP = ord(".")
_HANDLERS: dict[int, Callable[[_Machine], None]] = {
    0x80: _Machine.protocol,
    0x95: lambda m: m.cursor.enter_frame(m.cursor.number(8)),
    ord("N"): lambda m: m.push(None),
    0x88: lambda m: m.push(True),
    0x89: lambda m: m.push(False),
    ord("K"): lambda m: m.push(m.cursor.number(1)),
    ord("M"): lambda m: m.push(m.cursor.number(2)),
    ord("J"): lambda m: m.push(int.from_bytes(m.cursor.take(4), "little", signed=True)),
    0x8A: _Machine.integer,
    ord("G"): lambda m: m.push(struct.unpack(">d", m.cursor.take(8))[0]),
    ord("X"): lambda m: m.push(m.cursor.text(m.cursor.number(4))),
    0x8C: lambda m: m.push(m.cursor.text(m.cursor.number(1))),
    0x8D: lambda m: m.push(m.cursor.text(m.cursor.number(8))),
    ord("U"): lambda m: m.push(m.cursor.take(m.cursor.number(1)).decode("latin1")),  # str of Python 2
    ord("T"): lambda m: m.payload(4),  # a long str of Python 2: an array's bytes
    ord("C"): lambda m: m.payload(1),
    ord("B"): lambda m: m.payload(4),
    0x8E: lambda m: m.payload(8),
    0x96: lambda m: m.payload(8),
    ord("]"): lambda m: m.push([]),
    ord("}"): lambda m: m.push({}),
    ord(")"): lambda m: m.push(()),
    ord("("): lambda m: m.marks.append(len(m.stack)),
    ord("t"): lambda m: m.push(tuple(m.since_mark())),
    0x85: lambda m: m.push(m.last(1)),
    0x86: lambda m: m.push(m.last(2)),
    0x87: lambda m: m.push(m.last(3)),
    ord("a"): lambda m: m.append([m.pop()]),
    ord("e"): lambda m: m.append(m.since_mark()),
    ord("s"): lambda m: m.set_items(list(m.last(2))),
    ord("u"): lambda m: m.set_items(m.since_mark()),
    ord("q"): lambda m: m.memoize(m.cursor.number(1)),
    ord("r"): lambda m: m.memoize(m.cursor.number(4)),
    0x94: lambda m: m.memoize(len(m.memo)),
    ord("h"): lambda m: m.recall(m.cursor.number(1)),
    ord("j"): lambda m: m.recall(m.cursor.number(4)),
    ord("c"): lambda m: m.mention(m.cursor.line(), m.cursor.line()),
    0x93: lambda m: m.mention(*m.last(2)),
    ord("R"): _Machine.reduce,
    ord("b"): _Machine.build,
    ord("Q"): lambda m: m.push(m.rules.persistent(m.pop())),
}
