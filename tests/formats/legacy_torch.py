"""Parts that PyTorch files of the old format are built from, sound and otherwise."""

import pickle
import struct

import numpy as np
from hostile import call, integer, integers, text

MAGIC = 0x1950A86A20F9469CFC6C
SYS_INFO = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
KEYS = ("k",)
COUNT = struct.pack("<q", 6)
DATA = np.arange(6, dtype="f4").tobytes()


def dumped(value, protocol=2):
    return pickle.dumps(value, protocol)


def storage(*, key="k", numel=6, kind="torch\nFloatStorage", last=b"N", first="storage"):
    return b"(" + text(first) + f"c{kind}\n".encode() + text(key) + text("cpu") + integer(numel) + last + b"tQ"


def tensor(*, place=None, offset=0, size=(2, 3), stride=(3, 1), function="_rebuild_tensor_v2", rest=None):
    layout = integer(offset) + integers(*size) + integers(*stride)
    tail = b"\x89" + call("collections", "OrderedDict") if rest is None else rest
    return f"ctorch._utils\n{function}\n(".encode() + (place or storage()) + layout + tail + b"tR"


def state(value):
    return b"\x80\x02}" + text("x") + value + b"s."


def legacy(value=None, *, magic=MAGIC, version=1001, info=SYS_INFO, keys=KEYS, storages=COUNT + DATA, whole=None):
    head = dumped(magic) + dumped(version) + dumped(info)
    return head + (whole or state(tensor() if value is None else value)) + dumped(list(keys)) + storages
