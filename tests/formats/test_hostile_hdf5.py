"""HDF5 files that point outside themselves, or at nothing."""

import io
import zipfile

import h5py
import numpy as np
import pytest
from hdf5_files import names, refuse, soft, weights

from xframe import checkpoints


def test_the_builders_build_what_is_read(tmp_path):
    path = weights(tmp_path / "a.weights.h5", lambda _, group: group.create_dataset("0", data=np.ones(3, "f4")))
    assert names(path) == ["fc/vars/0"]


def external(_, group):
    group["0"] = h5py.ExternalLink("other.h5", "/x")


def soft_in_the_middle(file, _):
    file["layers/linked"] = h5py.SoftLink("/layers/dense")


def external_storage(_, group):
    group.create_dataset("0", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def virtual(_, group):
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
    group.create_virtual_dataset("0", layout)


def objects(_, group):
    group.create_dataset("0", data=["text"], dtype=h5py.string_dtype())


def references(file, group):
    group.create_dataset("0", data=[file.ref], dtype=h5py.ref_dtype)


def compound(_, group):
    group.create_dataset("0", data=np.zeros(2, [("a", "f4"), ("b", "f4")]))


def big_endian(_, group):
    group.create_dataset("0", data=np.ones(2, ">f4"))


def opaque(_, group):
    group.create_dataset("0", data=np.zeros(2, "V2"))


def nothing_there(_, group):
    group.create_dataset("0", (2**40,), "f4")


def chunks_of_nothing(_, group):
    group.create_dataset("0", (2**40,), "f4", chunks=(2**20,), compression="gzip")


def one_chunk_of_many(_, group):
    data = group.create_dataset("0", (2**40,), "f4", chunks=(2**20,), compression="gzip")
    data[0] = 1


def unknown_filter(_, group):
    group.create_dataset("0", data=np.ones(1000, "f4"), chunks=(1000,), compression="lzf")


def loop(file, group):
    group["again"] = file


def second_link(_, group):
    group["0"] = np.ones(2)
    group["1"] = group["0"]


def null_space(_, group):
    group.create_dataset("0", data=h5py.Empty("f4"))


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (external, "ExternalLink, not followed"), (soft, "SoftLink, not followed"), (soft_in_the_middle, "SoftLink"),
        (external_storage, "other files"), (virtual, "other files"), (objects, "dtype"), (references, "dtype"),
        (compound, "dtype"), (big_endian, "little-endian"), (opaque, "dtype"), (nothing_there, "found 0 in the file"),
        (chunks_of_nothing, "found 0 in the file"), (one_chunk_of_many, "in the file"),
        (unknown_filter, "filter 32000"), (loop, "a loop"), (second_link, "a second link"), (null_space, "shape None"),
    ],
)  # fmt: skip
def test_refused(tmp_path, build, reason):
    refuse(weights(tmp_path / "a.weights.h5", build), reason)


def test_chunked_and_deflated_values_are_read(tmp_path):
    values = np.arange(1000.0)

    def build(_, group):
        group.create_dataset("0", data=values, chunks=(100,), compression="gzip", shuffle=True)

    read = checkpoints.read(weights(tmp_path / "a.h5", build))
    assert np.array_equal(read.tensors["fc/vars/0"].array(), values)


def test_layers_of_one_name_keep_their_paths(tmp_path):
    def build(file, group):
        group["0"] = np.ones(2)
        file["layers/dense_1/vars/0"] = np.ones(3)
        file["layers/dense_1/vars"].attrs["name"] = "fc"

    assert names(weights(tmp_path / "a.h5", build)) == ["layers/dense/vars/0", "layers/dense_1/vars/0"]


def test_a_group_without_a_name_keeps_its_path(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["layers/dense/vars/10"] = np.ones(2)
        file["layers/dense/vars/2"] = np.ones(2)
    assert names(tmp_path / "a.h5") == ["layers/dense/vars/2", "layers/dense/vars/10"]


def test_a_name_that_is_no_text(tmp_path):
    def build(_, group):
        group["0"] = np.ones(2)
        group.attrs["name"] = np.ones(3)

    assert names(weights(tmp_path / "a.h5", build)) == ["layers/dense/vars/0"]


@pytest.mark.parametrize("listed", [["../x"], ["/x"], ["missing"], [""], ["x/.."], ["x/./y"]])
def test_legacy_names_that_are_not_there(tmp_path, listed):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["layer_names"] = ["d"]
        file["d/x"] = np.ones(2)
        file["d"].attrs["weight_names"] = listed
    refuse(tmp_path / "a.h5")


def test_legacy_names_in_chunks(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["layer_names0"], file.attrs["layer_names1"] = ["d"], [b"e"]
        for layer in ("d", "e"):
            file[f"{layer}/{layer}/kernel:0"] = np.ones(2)
            file[layer].attrs["weight_names"] = [f"{layer}/kernel:0"]
    assert names(tmp_path / "a.h5") == ["d/kernel", "e/kernel"]


@pytest.mark.parametrize(
    ("listed", "match"),
    [
        (["x", "x"], "listed once; found x again"), (["deep"], "expected a dataset; found a group"),
        (["soft/x"], "SoftLink, not followed"), (["deep/outside"], "ExternalLink, not followed"),
        ("x/", "no link"), ([3, 4], "names of text"), ([b"\xff"], "damaged one .*utf-8"), (["x/y"], "damaged one"),
    ],
)  # fmt: skip
def test_legacy_lists_of_something_else(tmp_path, listed, match):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["layer_names"] = ["d"]
        file["d/x"], file["d/deep/y"] = np.ones(2), np.ones(2)
        file["d/soft"], file["d/deep/outside"] = h5py.SoftLink("/d"), h5py.ExternalLink("other.h5", "/x")
        file["d"].attrs["weight_names"] = listed
    refuse(tmp_path / "a.h5", match)


def test_legacy_names_that_are_one_without_their_suffix_keep_their_paths(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["layer_names"] = ["d", "optimizer"]
        file["d/x"], file["d/x:0"] = np.ones(2), np.ones(2)
        file["d"].attrs["weight_names"] = ["x", "x:0"]
        file.create_group("optimizer").attrs["weight_names"] = []
    assert names(tmp_path / "a.h5") == ["d/x", "d/x:0"]


def test_the_config_and_the_optimizer_of_a_legacy_file_are_left_alone(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["model_config"] = '{"class_name": "Lambda", "config": {"function": "gadget"}}'
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"d"]
        group["d/d/kernel:0"] = np.arange(3.0)
        group["d"].attrs["weight_names"] = [b"d/kernel:0"]
        file["optimizer_weights/adam/m:0"] = np.ones(2)
        file["optimizer_weights"].attrs["weight_names"] = [b"adam/m:0"]
    found = checkpoints.read(tmp_path / "a.h5")
    assert {name: tensor.array().tolist() for name, tensor in found.tensors.items()} == {"d/kernel": [0.0, 1.0, 2.0]}
    assert "left out: 1 variables of the optimizer" in found.notes


def half(_, group):
    for name, options in (("0", {}), ("1", {"chunks": (2,), "compression": "gzip"})):
        data = group.create_dataset(name, data=np.arange(3, dtype="<u2").view("V2"), **options)
        data.attrs["dtype"] = "bfloat16"


def test_bfloat16_is_two_opaque_bytes_that_say_so(tmp_path):
    found = checkpoints.read(weights(tmp_path / "a.weights.h5", half)).tensors.values()
    assert [tensor.spec.dtype for tensor in found] == ["bfloat16", "bfloat16"]
    assert [tensor.array().tolist() for tensor in found] == [[0, 1, 2], [0, 1, 2]]


def archive(path, content, **options):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("metadata.json", "{}")
        file.writestr("config.json", '{"class_name": "Lambda", "config": {"function": "gadget"}}')
        if content is not None:
            file.writestr("model.weights.h5", content, **options)
    return path


def test_the_config_of_an_archive_is_not_looked_at(tmp_path):
    weights(tmp_path / "a.h5", lambda _, group: group.create_dataset("0", data=np.arange(3.0)))
    read = checkpoints.read(archive(tmp_path / "a.keras", (tmp_path / "a.h5").read_bytes()))
    assert np.array_equal(read.tensors["fc/vars/0"].array(), np.arange(3.0))


def test_archives_without_weights(tmp_path):
    refuse(archive(tmp_path / "a.keras", None), parse=checkpoints.read)
    refuse(archive(tmp_path / "a.keras", b"no hdf5"), parse=checkpoints.read)
    weights(tmp_path / "a.h5", lambda _, group: group.create_dataset("0", data=np.ones(3)))
    deflated = archive(tmp_path / "b.keras", (tmp_path / "a.h5").read_bytes(), compress_type=zipfile.ZIP_DEFLATED)
    refuse(deflated, parse=checkpoints.read)


def test_a_user_block_is_refused(tmp_path):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=512) as file:
        file["x"] = np.ones(2)
    (tmp_path / "a.h5").write_bytes(buffer.getvalue())
    refuse(tmp_path / "a.h5", "unknown content", checkpoints.read)
    refuse(tmp_path / "a.h5", "user block")  # as it may start inside an archive
