"""PyTorch files whose tensors, storages or archive are not what a writer would write."""

import struct
import zipfile

import pytest
from hostile import call, integer, integers, state_dict, storage, tensor, text, torch_zip

from xframe import checkpoints
from xframe.errors import CheckpointError, UnsafeCheckpoint


def refuse(path, error=CheckpointError, match=None):
    with pytest.raises(error, match=match) as raised:
        checkpoints.read(path)
    assert str(path) in str(raised.value)
    assert str(raised.value).isprintable()


def test_the_builders_build_what_is_read(tmp_path):
    path = torch_zip(tmp_path / "a.pth", tensor())
    assert str(checkpoints.read(path).specs[0]) == "x float32[2, 3]"


@pytest.mark.parametrize(
    "options",
    [
        {"numel": 7}, {"numel": 5}, {"numel": -6}, {"numel": 2**62}, {"kind": "torch\nDoubleStorage"}, {"key": "1"},
        {"key": "../0"}, {"key": ""}, {"offset": 1}, {"offset": -1}, {"offset": 2**63}, {"size": (3, 3)},
        {"size": (2, 4)},
        {"size": (-2, 3)}, {"size": (2**40, 2**40)}, {"size": (2,)}, {"stride": (4, 1)}, {"stride": (-3, 1)},
        {"stride": (3,)},
        {"stride": (2**62, 1)},
        {"size": (1, 6), "stride": (2**62, 1)},
        {"size": (2**34, 1), "stride": (0, 1)}, {"size": (10_000,), "stride": (0,)},
        {"rest": b"}" + text("conj") + b"\x88s"}, {"rest": b"}}"}, {"kind": "torch\nQInt8Storage"}, {"size": (1,) * 65},
    ],
)  # fmt: skip
def test_tensors_beyond_their_storage(tmp_path, options):
    refuse(torch_zip(tmp_path / "a.pth", tensor(**options)))


def test_a_small_expanded_tensor_is_fine(tmp_path):
    path = torch_zip(tmp_path / "a.pth", tensor(size=(64, 3), stride=(0, 1)))
    assert checkpoints.read(path).tensors["x"].array().shape == (64, 3)


@pytest.mark.parametrize(
    "value",
    [
        call("os", "system", text("true")),
        call("torch.storage", "_load_from_bytes", b"C\x01x"),
        call("torch.serialization", "load", text("x")),
        call("torch", "load", text("x")),
        call("torch.jit", "load"),
        call("builtins", "eval", text("data"), b"}"),
        call("argparse", "Namespace"),
    ],
)
def test_calls_outside_the_table(tmp_path, value):
    refuse(torch_zip(tmp_path / "a.pth", value), UnsafeCheckpoint, "nothing was imported or called")


@pytest.mark.parametrize(
    ("name", "attempt"),
    [
        ("_rebuild_sparse_tensor", "to_dense"), ("_rebuild_qtensor", "dequantize"),
        ("_rebuild_meta_tensor_no_storage", "has values"), ("_rebuild_nested_tensor", "its parts"),
        ("_rebuild_wrapper_subclass", "plain tensors"), ("_rebuild_device_tensor_from_numpy", r"x\.cpu"),
        ("_rebuild_device_tensor_from_cpu_tensor", r"x\.cpu"), ("_rebuild_xla_tensor", r"x\.cpu"),
    ],
)  # fmt: skip
def test_what_has_no_values_of_its_own(tmp_path, name, attempt):
    refuse(torch_zip(tmp_path / "a.pth", call("torch._utils", name)), match=attempt)


def attributes(*names):
    return b"}" + b"".join(text(name) + b"K\x01s" for name in names)


def from_type(kind="ctorch\nTensor\n", function="_rebuild_tensor_v2", state=b"N"):
    inner = b"(" + tensor().removeprefix(b"ctorch._utils\n_rebuild_tensor_v2\n(").removesuffix(b"R")
    return call(
        "torch._tensor", "_rebuild_from_type_v2", f"ctorch._utils\n{function}\n".encode(), kind.encode(), inner, state
    )


@pytest.mark.parametrize(
    ("state", "note"),
    [
        (b"N", ()), (b"}", ()), (attributes("_is_buffer", "persistent"), ()), (b"NN\x86", ()),
        (attributes("tag"), ("left out, Python attributes of tensors: x (tag)",)),
        (attributes("tag") + attributes("slot") + b"\x86", ("left out, Python attributes of tensors: x (tag, slot)",)),
    ],
)  # fmt: skip
def test_attributes_of_a_tensor(tmp_path, state, note):
    found = checkpoints.read(torch_zip(tmp_path / "a.pth", from_type(state=state)))
    assert found.notes == note
    parameter = call("torch._utils", "_rebuild_parameter_with_state", tensor(), b"\x88", b"}", state)
    assert checkpoints.read(torch_zip(tmp_path / "b.pth", parameter)).notes == note


def test_attributes_of_many_tensors_are_named_in_part(tmp_path):
    value = from_type(state=attributes("tag"))
    for index in range(9):
        value += b"s" + text(f"t{index}") + from_type(state=attributes("tag"))
    (note,) = checkpoints.read(torch_zip(tmp_path / "a.pth", value)).notes
    assert note.endswith("t6 (tag) and 2 more")


@pytest.mark.parametrize(
    "value",
    [
        from_type(kind="ctorch\nFloatStorage\n"), from_type(function="_rebuild_parameter"), from_type(state=b"K\x01"),
        from_type(state=b"NNN\x87"), from_type(state=attributes(*map(str, range(65)))),
        from_type(function="_rebuild_tensor"), call("torch._tensor", "_rebuild_from_type_v2"),
        call("torch._utils", "_rebuild_parameter_with_state", tensor(), b"\x88", b"}"),
        call("torch._utils", "_rebuild_parameter", tensor(), b"\x88", b"}", b"N"),
        call("torch._utils", "_rebuild_parameter_with_state", tensor(), b"\x88", attributes("hook"), b"N"),
        call("torch.serialization", "_get_layout", b"K\x01"), call("builtins", "set", b"K\x01"),
        call("builtins", "complex", text("1j")), call("builtins", "bytearray", b"J\xff\xff\xff\x7f"),
        call("collections", "Counter", b"]"), call("collections", "OrderedDict", b"}"),
    ],
)  # fmt: skip
def test_calls_with_other_arguments(tmp_path, value):
    refuse(torch_zip(tmp_path / "a.pth", value))


@pytest.mark.parametrize(
    "value",
    [
        storage()[:-1] + b"}b", text("storage") + b"Q", b"(" + text("storage") + b"tQ", tensor() + b"K\x00K\x01s",
        tensor() + b"}b", b"}" + b"Nb", b"}}" + text("_metadata") + b"K\x01sb", b"}}" + text("__class__") + b"}sb",
        call("torch._utils", "_rebuild_tensor_v2"), call("torch._utils", "_rebuild_tensor_v3", storage()),
        call("torch._utils", "_rebuild_parameter", b"K\x01", b"\x88", b"}"), call("torch", "Size", integers(-1)),
        call("torch._utils", "_rebuild_parameter", tensor(), b"\x88", b"}" + text("hook") + b"K\x01s"),
        call("torch", "device", b"K\x01"), call("torch", "FloatStorage", b"K\x01"), call("torch", "float32"),
        call("torch._utils", "_rebuild_tensor_v3", storage(), integer(0), integers(6), integers(1), b"\x89", b"}",
             b"ctorch.storage\nUntypedStorage\n"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit(tmp_path, value):
    refuse(torch_zip(tmp_path / "a.pth", value))


@pytest.mark.parametrize(
    "name",
    ["archive/../x", "/etc/passwd", "archive/a\\b", "other/x", "x", "archive/", "archive/data/../../x", "../archive/x"],
)
def test_member_names_that_lead_out(tmp_path, name):
    refuse(torch_zip(tmp_path / "a.pth", tensor(), extra=[(name, b"")]))


def test_a_link_in_the_archive(tmp_path):
    link = zipfile.ZipInfo("archive/link")
    link.external_attr = 0o120777 << 16
    refuse(torch_zip(tmp_path / "a.pth", tensor(), extra=[(link, b"/etc/passwd")]), match="a link")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_comes_twice(tmp_path):
    refuse(torch_zip(tmp_path / "a.pth", tensor(), extra=[("archive/data/0", bytes(24))]), match="every member once")


def test_deflated_storage(tmp_path):
    refuse(torch_zip(tmp_path / "a.pth", tensor(), compression=zipfile.ZIP_DEFLATED))


def test_a_deflated_storage_beside_a_stored_pickle(tmp_path):
    """Its place holds other bytes than its values, even if they are as many."""
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("archive/data.pkl", state_dict(tensor(), 2))
        archive.writestr("archive/data/0", bytes(24), compress_type=zipfile.ZIP_DEFLATED)
    refuse(tmp_path / "a.pth", match="a deflated one")


def test_a_stored_member_of_two_sizes(tmp_path):
    path = torch_zip(tmp_path / "a.pth", tensor(numel=5, size=(5,), stride=(1,)))
    patched(path, b"archive/data/0", 22, 20, width="<I")
    refuse(patched(path, b"archive/data/0", 24, 20, central=True, width="<I"), match="as are stored")


def test_a_big_endian_or_odd_byteorder(tmp_path):
    path = torch_zip(tmp_path / "a.pth", tensor())
    for order in (b"bigger", b"LITTLE"):
        (tmp_path / "b.pth").write_bytes(recrc(path.read_bytes(), b"little", order))
        refuse(tmp_path / "b.pth", match="byteorder")


def recrc(data, old, new):
    """Other content of the same length in a stored member, under its right CRC."""
    crcs = [struct.pack("<I", zipfile.crc32(part)) for part in (old, new)]
    return data.replace(old, new).replace(*crcs)


def test_torchscript(tmp_path):
    refuse(
        torch_zip(tmp_path / "a.pth", tensor(), extra=[("archive/constants.pkl", b"\x80\x02).")]), match="TorchScript"
    )


def test_no_pickle(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("archive/data/0", bytes(4))
    refuse(tmp_path / "a.pth", match="no data.pkl")


def patched(path, target, find, value, *, central=False, width="<H"):
    """Overwrites a field ``find`` bytes into the local header, or the central entry, of member ``target``."""
    data = bytearray(path.read_bytes())
    name = data.rfind(target) if central else data.find(target)
    start = name - (46 if central else 30)
    assert data[start : start + 4] == (b"PK\x01\x02" if central else b"PK\x03\x04")
    struct.pack_into(width, data, start + find, value)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("flags", [0x1, 0x20, 0x40, 0x2000])
def test_flags(tmp_path, flags):
    path = torch_zip(tmp_path / "a.pth", tensor())
    patched(path, b"archive/data/0", 8, flags, central=True)
    refuse(path)
    refuse(patched(path, b"archive/data/0", 6, flags))


@pytest.mark.parametrize(
    ("find", "value", "width"), [(8, 8, "<H"), (14, 7, "<I"), (18, 23, "<I"), (22, 25, "<I"), (26, 13, "<H")]
)
def test_a_local_header_unlike_the_directory(tmp_path, find, value, width):
    refuse(patched(torch_zip(tmp_path / "a.pth", tensor()), b"archive/data/0", find, value, width=width))


def test_a_local_name_unlike_the_directory(tmp_path):
    path = torch_zip(tmp_path / "a.pth", tensor())
    data = path.read_bytes()
    path.write_bytes(data.replace(b"archive/data/0", b"archive/data/1", 1))
    refuse(path, match="local header")


def test_a_local_zip64_field_unlike_the_directory(tmp_path, monkeypatch):
    monkeypatch.setattr("zipfile.ZIP64_LIMIT", 20)
    path = torch_zip(tmp_path / "a.pth", tensor())
    assert list(checkpoints.read(path).tensors) == ["x"]
    sizes = struct.pack("<QQ", 24, 24)
    path.write_bytes(path.read_bytes().replace(sizes, struct.pack("<QQ", 24, 25), 1))
    refuse(path, match="local header")


def test_extra_length_that_moves_the_payload(tmp_path):
    refuse(patched(torch_zip(tmp_path / "a.pth", tensor()), b"archive/data/0", 28, 4))


def test_junk_around(tmp_path):
    whole = torch_zip(tmp_path / "a.pth", tensor()).read_bytes()
    (tmp_path / "before.pth").write_bytes(whole[:30] + whole)
    refuse(tmp_path / "before.pth")
    (tmp_path / "after.pth").write_bytes(whole + b"junk")
    refuse(tmp_path / "after.pth")
    comment = bytearray(whole + b"junk")
    struct.pack_into("<H", comment, len(whole) - 2, 4)
    (tmp_path / "comment.pth").write_bytes(comment)
    refuse(tmp_path / "comment.pth")


def test_a_flipped_byte_under_the_pickle_s_crc(tmp_path):
    path = torch_zip(tmp_path / "a.pth", tensor())
    path.write_bytes(path.read_bytes().replace(text("x") + b"ctorch", text("y") + b"ctorch"))
    refuse(path, match="CRC")


def test_a_member_that_claims_forty_gigabytes(tmp_path):
    path = torch_zip(tmp_path / "a.pth", tensor(numel=6), compression=zipfile.ZIP_DEFLATED)
    refuse(patched(path, b"archive/data.pkl", 24, 0xFFFFFFF0, central=True, width="<I"))
