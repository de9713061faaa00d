"""Run with two folders: PyTorch loads what xframe wrote into the first, and writes its own files into the second."""

import json
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from exchange import tell, told
from safetensors.torch import save_file

DTYPES = [
    torch.bool, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.uint16, torch.uint32,
    torch.uint64,
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128,
    torch.float8_e4m3fn, torch.float8_e5m2,
]  # fmt: skip
UNKNOWN = ["float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2", "bits8"]


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


def flattened(tree, prefix=""):
    """The tensors of a nest by dotted names."""
    if isinstance(tree, torch.Tensor):
        return {prefix[:-1]: tree}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list | tuple) else ()
    return {name: tensor for key, value in items for name, tensor in flattened(value, f"{prefix}{key}.").items()}


def save_all(theirs):
    torch.manual_seed(7)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Linear(4, 5))
    save(theirs, "net.pth", net.state_dict())
    save(theirs, "net4.pth", net.state_dict(), pickle_protocol=4)
    save(theirs, "odd.pt", {f"ü/{dtype}": torch.arange(6).reshape(2, 3).to(dtype) for dtype in DTYPES})
    save(theirs, "views.pth", views())
    state = {f"state_dict.{name}": tensor for name, tensor in net.state_dict().items()}
    save(theirs, "wrapped.pth", {"state_dict": net.state_dict(), "epoch": 3, "device": torch.device("cpu")}, flat=state)
    torch.serialization.set_crc32_options(False)
    save(theirs, "nocrc.pth", net.state_dict())
    torch.serialization.set_crc32_options(True)
    save_kinds(theirs / "kinds", net)
    save_kinds(theirs / "legacy", net, _use_new_zipfile_serialization=False)
    save_skipped(theirs / "kinds")
    save_shards(theirs / "shards")
    save_refused(theirs / "refused", net)


def views():
    base = torch.arange(24.0).reshape(4, 6)
    return {
        "base": base, "tied": base, "rows": base[1:3], "transposed": base.t(), "strided": base[::2, 1::2],
        "expanded": torch.ones(1).expand(3, 2), "scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.ones(2)), "zero_stride": torch.zeros(2, 1, 3).expand(2, 4, 3),
    }  # fmt: skip


def save_kinds(folder, net, **options):
    """Everything that state dicts are made of, in zip files or legacy ones."""
    folder.mkdir()
    zipped = not options
    save(folder, "net.pth", net.state_dict(), **options)
    save(folder, "none.pth", {}, **options)
    save(folder, "odd.pt", {f"ü/{dtype}": bits(dtype) for dtype in DTYPES}, **options)
    for protocol in (2, 3, 4, 5) if zipped else (2, 3):
        save(folder, f"views{protocol}.pth", views(), pickle_protocol=protocol, **options)
        state = training(net, odd_values=protocol < 4)
        save(folder, f"training{protocol}.pth", state, flat=flattened(state), pickle_protocol=protocol, **options)
    if not zipped:
        for protocol in (4, 5):
            save(folder, f"views{protocol}.framed", views(), pickle_protocol=protocol, **options)
    save(folder, "attributes.pth", with_attributes(), **options)
    save_v1(folder, **options)


def bits(dtype):
    """All bytes there are, as that dtype: NaNs and subnormals too. Bools are 0 or 1."""
    octets = torch.arange(256, dtype=torch.uint8)
    return (octets % 2 if dtype == torch.bool else octets).view(dtype).reshape(2, -1)


def training(net, *, odd_values):
    """A whole checkpoint: model, optimizer, schedule, and values of every kind that PyTorch reads back by itself."""
    optimizer = torch.optim.AdamW(net.parameters(), amsgrad=True)
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4])
    odd = {"complex": 1j, "set": {1, 2}, "bytearray": bytearray(b"xy"), "layout": torch.strided}
    return {
        "epoch": 3, "best": 0.5, "name": "ü", "none": None, "yes": True, "long": 2**70, "bytes": b"xyz",
        "device": torch.device("cuda", 1), "dtype": torch.bfloat16, "half": torch.complex32, "size": torch.Size((2, 3)),
        "numpy": np.float32(3), "array": np.arange(3), "rng": torch.get_rng_state(),
        "model": net.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(),
        "scaler": torch.amp.GradScaler("cpu").state_dict(), "storage": torch.ones(3).untyped_storage(),
        "list": [torch.ones(2), (torch.zeros(1), 7)], **(odd if odd_values else {}),
    }  # fmt: skip


def with_attributes():
    parameter, tensor = torch.nn.Parameter(torch.ones(2)), torch.ones(3)
    parameter.tag, tensor.colour = "a", {"red": 1}
    return {
        "parameter": parameter, "tensor": tensor, "buffer": torch.nn.Buffer(torch.ones(4)), "plain": torch.ones(5),
        "grad": torch.ones(2, requires_grad=True),
    }  # fmt: skip


def save_v1(folder, **options):
    """As PyTorch before 0.4 spelt a tensor; it still reads that."""

    def reduce(tensor, _protocol):
        storage = tensor._typed_storage()
        return torch._utils._rebuild_tensor, (storage, tensor.storage_offset(), tuple(tensor.shape), tensor.stride())

    state = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.arange(6).reshape(2, 3)[:, 1:].t()}
    known, torch.Tensor.__reduce_ex__ = torch.Tensor.__reduce_ex__, reduce
    save(folder, "v1.pth", state, **options)
    torch.Tensor.__reduce_ex__ = known
    loaded = torch.load(folder / "v1.pth", weights_only=True)
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())


def save_skipped(folder):
    """A file with room for its storages, which have no CRC, and are filled in later."""
    path = folder / "skipped.pth"
    with torch.serialization.skip_data():
        torch.save({"x": torch.ones(4)}, path)
    zeros = torch.load(path, weights_only=True)["x"]
    tell(folder, path.name, {"x": one(zeros)})


def save_shards(folder):
    """Shards and index as Hugging Face's transformers writes them."""
    folder.mkdir()
    state = {f"layers.{index}.weight": torch.randn(3, 4).to(torch.bfloat16) for index in range(5)}
    parts = [dict(list(state.items())[:2]), dict(list(state.items())[2:])]
    total = sum(tensor.nbytes for tensor in state.values())
    for stem, extension, write in (
        ("model", "safetensors", lambda part, path: save_file(part, path, metadata={"format": "pt"})),
        ("pytorch_model", "bin", torch.save),
        ("legacy", "bin", lambda part, path: torch.save(part, path, _use_new_zipfile_serialization=False)),
    ):
        names = [f"{stem}-{number:05}-of-00002.{extension}" for number in (1, 2)]
        for name, part in zip(names, parts, strict=True):
            write(part, folder / name)
        weight_map = {key: name for name, part in zip(names, parts, strict=True) for key in part}
        index = json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=2, sort_keys=True)
        (folder / f"{stem}.{extension}.index.json").write_text(index + "\n")
        tell(folder, f"{stem}.{extension}.index.json", {key: one(tensor) for key, tensor in state.items()})


class Own(torch.Tensor):
    """A class of the user's."""


def save_refused(folder, net):
    folder.mkdir()
    ones = torch.ones(2, 3)
    tensors = {
        "sparse": torch.eye(3).to_sparse(), "csr": torch.eye(3).to_sparse_csr(),
        "quantised": torch.quantize_per_tensor(ones, 0.1, 0, torch.qint8),
        "channels": torch.quantize_per_channel(ones, torch.ones(2), torch.zeros(2), 0, torch.quint8),
        "nested": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
        "jagged": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged),
        "conjugate": torch.ones(2, dtype=torch.complex64).conj(),
        "negative": torch.ones(2, dtype=torch.complex64).conj().imag, "meta": torch.ones(2, device="meta"),
        "own": ones.as_subclass(Own), "complex32": torch.zeros(2, dtype=torch.complex32),
        **{name: torch.empty(2, 4, dtype=getattr(torch, name)) for name in UNKNOWN},
    }  # fmt: skip
    for name, tensor in tensors.items():
        torch.save({"x": tensor}, folder / f"{name}.pth")
    torch.save({"x": torch.eye(3).to_sparse()}, folder / "legacy_sparse.pth", _use_new_zipfile_serialization=False)
    torch.save(net, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(net, folder / "module.pth")
    torch.save(torch.ones(2), folder / "nameless.pth")
    torch.jit.script(torch.nn.Linear(2, 3)).save(folder / "script.pt")
    torch.export.save(torch.export.export(torch.nn.Linear(2, 3), (torch.ones(1, 2),)), folder / "export.pt2")


load(Path(sys.argv[1]))
save_all(Path(sys.argv[2]))
