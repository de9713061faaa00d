"""Run with two folders: PyTorch loads what xframe wrote into the first, and writes its own files into the second."""

import sys
from collections import OrderedDict
from pathlib import Path

import torch
from exchange import tell, told

DTYPES = [
    torch.bool, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.uint16, torch.uint32,
    torch.uint64,
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128,
    torch.float8_e4m3fn, torch.float8_e5m2,
]  # fmt: skip


def one(tensor):
    dense = tensor.detach().contiguous()
    data = bytes(dense.reshape(-1).view(torch.uint8).numpy()) if dense.numel() else b""
    return told(tensor.dtype, tensor.shape, data)


def load(ours):
    for path in sorted(ours.glob("*.pth")):
        mapped = torch.load(path, weights_only=True, mmap=True)
        copied = torch.load(path, weights_only=True)
        assert type(mapped) is OrderedDict
        assert list(mapped) == list(copied)
        assert all(tensor.is_contiguous() and tensor.device.type == "cpu" for tensor in mapped.values())
        assert all(tensor.stride() == torch.empty(tensor.shape).stride() for tensor in mapped.values())
        assert all(one(mapped[name]) == one(copied[name]) for name in mapped)
        tell(ours, path.name, {name: one(tensor) for name, tensor in mapped.items()})


def save(theirs, name, state, flat=None, **options):
    torch.save(state, theirs / name, **options)
    tell(theirs, name, {key: one(tensor) for key, tensor in (state if flat is None else flat).items()})


def save_all(theirs):
    torch.manual_seed(7)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 5))
    save(theirs, "net.pth", net.state_dict())
    save(theirs, "net4.pth", net.state_dict(), pickle_protocol=4)
    save(theirs, "odd.pt", {f"ü/{dtype}": torch.arange(6).reshape(2, 3).to(dtype) for dtype in DTYPES})
    save_views(theirs)
    state = {f"state_dict.{name}": tensor for name, tensor in net.state_dict().items()}
    save(theirs, "wrapped.pth", {"state_dict": net.state_dict(), "epoch": 3, "device": torch.device("cpu")}, flat=state)
    torch.serialization.set_crc32_options(False)
    save(theirs, "nocrc.pth", net.state_dict())
    torch.serialization.set_crc32_options(True)
    save_refused(theirs / "refused", net)


def save_views(theirs):
    base = torch.arange(24.0).reshape(4, 6)
    views = {
        "base": base, "tied": base, "rows": base[1:3], "transposed": base.t(), "strided": base[::2, 1::2],
        "expanded": torch.ones(1).expand(3, 2), "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.ones(2)), "zero_stride": torch.zeros(2, 1, 3).expand(2, 4, 3),
    }  # fmt: skip
    save(theirs, "views.pth", views)


def save_refused(folder, net):
    folder.mkdir()
    state = net.state_dict()
    torch.save(state, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"x": torch.eye(3).to_sparse()}, folder / "sparse.pth")
    torch.save({"x": torch.ones(2, dtype=torch.complex64).conj()}, folder / "conjugate.pth")
    torch.save({"x": torch.ones(2, device="meta")}, folder / "meta.pth")
    torch.save(net, folder / "module.pth")
    torch.save(torch.ones(2), folder / "nameless.pth")


load(Path(sys.argv[1]))
save_all(Path(sys.argv[2]))
