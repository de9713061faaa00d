"""Inference models of Paddle's by hand: records, a ProgramDesc, a PIR program."""

import json
import struct

from wire import integer, part

FLOAT, INT64 = 5, 3
DENSE, FEED, FETCH, RAW, ROWS = 7, 9, 10, 17, 8


def desc(dtype=FLOAT, dims=(2,)):
    return integer(1, dtype) + b"".join(integer(2, length) for length in dims)


def record(data=bytes(8), said=None, *, version=0, levels=0, lod=b"", inner=0, length=None):
    said = desc() if said is None else said
    return (
        struct.pack("<IQ", version, levels)
        + lod
        + struct.pack("<Ii", inner, len(said) if length is None else length)
        + said
        + data
    )


def variable(name="a", said=None, kind=DENSE, persistable=1):
    type_ = integer(1, kind) + (part(3, part(1, desc() if said is None else said)) if kind == DENSE else b"")
    return part(3, part(1, name) + part(2, type_) + integer(3, persistable))


def block(*variables):
    return part(1, integer(1, 0) + integer(2, -1) + b"".join(variables) + part(4, b"\x01"))


def program(*variables):
    return block(*variables) + part(4, integer(1, 0))


def parameter(name="a", dims=(2,), dtype="0.t_f32", kept=1):
    described = {"#": "0.t_dtensor", "D": [{"#": dtype}, list(dims), "NCHW", [], 0]}
    return {"#": "p", "A": [0, 1, 1, name], "DA": [], "O": {"%": 1, "TT": described}, "OA": [kept, 0, 1], "QA": []}


def pir(*operators, magic="pir"):
    block = {"#": "block_0", "args": [], "ops": list(operators)}
    regions = [{"#": "region_0", "blocks": [block]}]
    base = {"magic": magic, "trainable": True, "version": 4}
    return json.dumps({"base_code": base, "program": {"regions": regions}}).encode()
