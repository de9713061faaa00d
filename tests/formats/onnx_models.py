"""ONNX models by hand."""

from wire import integer, part

FLOAT, INT8, INT32, INT64, STRING, BOOL, UINT64 = 1, 3, 6, 7, 8, 9, 13


def tensor(*fields, name="w", kind=FLOAT, dims=(2,)):
    return b"".join([*(integer(1, length) for length in dims), integer(2, kind), part(8, name), *fields])


def model(*tensors, more=b"", before=b""):
    graph = b"".join([part(2, "g"), *(part(5, data) for data in tensors), more])
    return integer(1, 8) + part(2, "me") + before + part(7, graph) + part(8, integer(2, 17))


def raw(size=8):
    return part(9, bytes(size))
