"""The opcodes of pickle that no state dict needs, by name, so that a refusal can say which one it met.

PEP 307 (protocol 2), PEP 3154 (protocol 4), PEP 574 (protocol 5).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

REFUSED: Mapping[int, str] = MappingProxyType(
    {
        ord(code): name
        for code, name in {
            "0": "POP", "1": "POP_MARK", "2": "DUP", "F": "FLOAT", "I": "INT", "L": "LONG", "P": "PERSID",
            "S": "STRING", "V": "UNICODE", "d": "DICT", "g": "GET", "i": "INST", "l": "LIST", "o": "OBJ", "p": "PUT",
            "\x81": "NEWOBJ", "\x82": "EXT1", "\x83": "EXT2", "\x84": "EXT4", "\x8b": "LONG4", "\x8f": "EMPTY_SET",
            "\x90": "ADDITEMS", "\x91": "FROZENSET", "\x92": "NEWOBJ_EX", "\x97": "NEXT_BUFFER",
            "\x98": "READONLY_BUFFER",
        }.items()
    }
)  # fmt: skip
