"""Which parameters a Paddle program has: their names, dtypes and shapes, out of .pdmodel or PIR's .json.

.pdmodel is a ProgramDesc (framework.proto), which FLAGS_enable_pir_api=0 writes; Paddle 3 writes .json by default
(paddle/fluid/pir/serialize_deserialize). Nothing of the program is run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from xframe.checkpoints.budget import Budget
from xframe.checkpoints.paddle.records import Described, described
from xframe.checkpoints.protobuf import Message, Span, mapped
from xframe.checkpoints.refusals import refusal, shown
from xframe.checkpoints.shapes import is_shape
from xframe.errors import CheckpointError

Variables = Mapping[str, Described]
_MOST_VARIABLES = 1_000_000
_HEAD = 4096
# A list of empty objects takes this many bytes of memory for each byte of JSON.
_EXPANSION_OF_JSON = 32
# BlockDesc: idx 0, parent −1. The first block of every program starts so.
_FIRST_BLOCK = re.compile(rb"\x0a(?:[\x80-\xff]{0,4}[\x00-\x7f])\x08\x00\x10\xff{9}\x01", re.DOTALL)
_PIR = re.compile(rb'\s*\{\s*"base_code"\s*:\s*\{[^{}]{0,200}"magic"\s*:\s*"pir"')
_HALF_A_LETTER = re.compile("[\ud800-\udfff]")  # JSON can say it, UTF-8 cannot
_BLOCKS, _VARS = 1, 3
_NAME, _TYPE, _PERSISTABLE = 1, 2, 3
_KIND, _DENSE, _TENSOR = 1, 3, 1
_DENSE_TENSOR = 7
# VarType.Type of variables that Paddle calls persistable and does not save: is_persistable in framework/io_utils.py,
# and RAW in static/io.py.
_UNSAVED = {9: "FEED_MINIBATCH", 10: "FETCH_LIST", 15: "READER", 17: "RAW"}
_PIR_DTYPES = MappingProxyType(
    {
        "0.t_bool": "bool", "0.t_i8": "int8", "0.t_i16": "int16", "0.t_i32": "int32", "0.t_i64": "int64",
        "0.t_ui8": "uint8", "0.t_f16": "float16", "0.t_bf16": "bfloat16", "0.t_f32": "float32", "0.t_f64": "float64",
        "0.t_c64": "complex64", "0.t_c128": "complex128", "0.t_f8e4m3fn": "float8_e4m3fn",
        "0.t_f8e5m2": "float8_e5m2",
    }
)  # fmt: skip


def is_program_desc(head: bytes) -> bool:
    """Whether a file starts as a .pdmodel does: a first block that has no parent."""
    return _FIRST_BLOCK.match(head) is not None


def is_pir(head: bytes) -> bool:
    """Whether a file starts as PIR's JSON does: ``base_code`` with the magic word ``pir``."""
    return _PIR.match(head) is not None


def variables(path: Path, budget: Budget) -> Variables:
    """The parameters of the program at ``path``, by name, in ascending order of the names: the order of .pdiparams."""
    with path.open("rb") as file:
        size, head = path.stat().st_size, file.read(_HEAD)
        if is_pir(head):
            budget.check(path, size * _EXPANSION_OF_JSON)
            pairs = _of_pir(path, head + file.read(size))
        elif is_program_desc(head):
            pairs = _of_program_desc(Span.whole(mapped(path), str(path)))
        else:
            raise refusal(path, expected="a program of Paddle's", found=f"content that starts with {head[:8].hex(' ')}")
    found = dict(_once(path, pairs))
    return {name: found[name] for name in sorted(found)}


def _once(path: Path, pairs: Iterator[tuple[str, Described]]) -> Iterator[tuple[str, Described]]:
    """Every name once: variables of two blocks may share one, but then they are the same variable."""
    seen: dict[str, Described] = {}
    for name, said in pairs:
        if not name or _HALF_A_LETTER.search(name) or seen.setdefault(name, said) != said:
            raise refusal(path, expected="every parameter once, with a name", found=shown(name) or "one without")
        if len(seen) > _MOST_VARIABLES:
            raise refusal(path, expected=f"at most {_MOST_VARIABLES} parameters", found="more")
        yield name, said


def _of_program_desc(program: Span) -> Iterator[tuple[str, Described]]:
    for number, block in program.fields():
        if number == _BLOCKS and isinstance(block, Span):
            for part, variable in block.fields():
                if part == _VARS and isinstance(variable, Span):
                    yield from _saved(variable.message({_NAME, _TYPE, _PERSISTABLE}))


def _saved(variable: Message) -> Iterator[tuple[str, Described]]:
    """The variable, if it is one that Paddle saves."""
    if not variable.integer(_PERSISTABLE):
        return
    kind = _message(variable, _TYPE, {_KIND, _DENSE})
    code = kind.integer(_KIND, -1)
    if code in _UNSAVED:
        return
    name = variable.text(_NAME)
    if code != _DENSE_TENSOR:
        raise variable.span.refuse("parameters that are dense tensors", f"{shown(name)} of type {code}")
    yield name, described(_message(_message(kind, _DENSE, {_TENSOR}), _TENSOR, {1, 2}))


def _message(parent: Message, number: int, wanted: set[int]) -> Message:
    part = parent.part(number)
    if part is None:
        raise parent.span.refuse(f"a message in field {number}", "none")
    return part.message(wanted)


def _of_pir(path: Path, data: bytes) -> Iterator[tuple[str, Described]]:
    try:
        program = json.loads(data.decode(), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise refusal(path, expected="a program in JSON", found=shown(error) or "none") from None
    match program:
        case {"program": {"regions": [{"blocks": [{"ops": [*operators]}]}]}}:
            for operator in operators:
                yield from _parameter(path, operator)
        case _:
            raise refusal(path, expected="a PIR program of one block", found="something else")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object in which no key comes twice: readers disagree about which one counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key that comes twice")
    return found


def _parameter(path: Path, operator: object) -> Iterator[tuple[str, Described]]:
    """The parameter that an operator stands for: a ``p``, or ``data`` that is persistable, such as a moment of Adam."""
    match operator:
        case {"#": "p", "A": [_, _, _, str(name)], "O": {"TT": described_type}, **others}:
            if _is_persistable(others.get("OA", [1])):
                yield name, _of_type(path, name, described_type)
        case {"#": "1.data", "A": [*attributes], "O": [{"TT": described_type}], "OA": [*facts]} if _is_persistable(
            facts
        ):
            said = _attribute(attributes, "name")
            if not isinstance(said, str):
                raise _unknown_form(path)
            yield said, _of_type(path, said, described_type)
        case {"#": "p"}:
            raise _unknown_form(path)


def _is_persistable(facts: object) -> bool:
    """``OA`` of an operator: ``[persistable, stop_gradient, trainable]`` in short, or a list of named attributes."""
    match facts:
        case [0 | 1 as flag, *_]:
            return bool(flag)
        case [*attributes]:
            return _attribute(attributes, "persistable") == [{"#": "0.a_bool", "D": True}]
    return False


def _attribute(attributes: list[object], name: str) -> object:
    for attribute in attributes:
        match attribute:
            case {"N": key, "AT": {"D": value}} if key == name:
                return value
    return None


def _of_type(path: Path, name: str, type_: object) -> Described:
    match type_:
        case {"#": "0.t_dtensor", "D": [{"#": str(code)}, [*lengths], *_]} if is_shape(tuple(lengths)):
            if code in _PIR_DTYPES:
                return Described(_PIR_DTYPES[code], tuple(lengths))
    raise refusal(f"{path}: {shown(name)}", expected="a dense tensor of a known dtype and shape", found="another type")


def _unknown_form(path: Path) -> CheckpointError:
    attempt = "save it again with Paddle 3.3"
    return refusal(path, expected="parameters as PIR writes them", found="another form", attempt=attempt)
