"""Parts that hostile files are built from. Nothing here is ever loaded by pickle."""

import struct
import zipfile

import pytest

from xframe import checkpoints
from xframe.errors import CheckpointError

MARKER = "xframe-was-here"
NAMED = b"X\x01\x00\x00\x00x"  # the key of the one tensor


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def short(value):
    data = value.encode()
    return b"\x8c" + bytes([len(data)]) + data


def call(module, name, *arguments):
    """A GLOBAL and its call by REDUCE."""
    return f"c{module}\n{name}\n".encode() + b"(" + b"".join(arguments) + b"tR"


def dtype(code="f4", order="<"):
    state = b"(K\x03" + text(order) + b"NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x00t"
    return call("numpy", "dtype", text(code), b"\x89", b"\x88") + state + b"b"


def array(shape=b"K\x02\x85", data=b"C\x08" + bytes(8), kind=None, fortran=b"\x89", core="numpy.core.multiarray"):
    """A numpy array of protocol 3 and later."""
    empty = call(core, "_reconstruct", b"cnumpy\nndarray\n", b"K\x00\x85", b"C\x01b")
    return empty + b"(K\x01" + shape + (kind or dtype()) + fortran + data + b"tb"


def state_dict(value, protocol=4):
    """A pickle of {'x': value}."""
    return bytes([0x80, protocol]) + b"}" + NAMED + value + b"s."


def storage(key="0", numel=6, kind="torch\nFloatStorage"):
    return b"(" + text("storage") + f"c{kind}\n".encode() + text(key) + text("cpu") + integer(numel) + b"tQ"


def integer(value):
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def integers(*values):
    return b"(" + b"".join(map(integer, values)) + b"t"


def tensor(*, numel=6, offset=0, size=(2, 3), stride=(3, 1), kind="torch\nFloatStorage", key="0", rest=b""):
    """A tensor of PyTorch's."""
    hooks = call("collections", "OrderedDict")
    layout = integer(offset) + integers(*size) + integers(*stride) + b"\x89" + hooks
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage(key, numel, kind) + layout + rest + b"tR"


def torch_zip(path, value, payload=bytes(24), extra=(), **options):
    """A torch file whose state dict is {'x': value} over one storage."""
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("archive/data.pkl", state_dict(value, 2))
        archive.writestr("archive/byteorder", b"little")
        archive.writestr("archive/data/0", payload)
        for name, data in extra:
            archive.writestr(name, data)
        archive.writestr("archive/version", b"3\n")
    return path


def refuse(tmp_path, content, error=CheckpointError):
    """The refusal of a .pdparams with this content: of the stated type, naming the file, printable."""
    path = tmp_path / "a.pdparams"
    path.write_bytes(content)
    with pytest.raises(error) as raised:
        checkpoints.read(path)
    assert str(path) in str(raised.value)
    assert str(raised.value).isprintable()
    return str(raised.value)
