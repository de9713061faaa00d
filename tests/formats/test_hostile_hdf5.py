"""HDF5 files that point outside themselves, or at nothing."""

import io
import sys
import zipfile

import h5py
import numpy as np
import pytest

from xframe import checkpoints
from xframe.checkpoints.keras.child import variables
from xframe.checkpoints.keras.hdf5 import Window
from xframe.errors import CheckpointError

VARS = "layers/dense/vars"


def names(path):
    """Parsed in this process, which is quicker; the last tests go through the process that ``read`` starts."""
    return list(variables(Window(path, 0, path.stat().st_size))[1])


def refuse(path, match=None, parse=names):
    with pytest.raises(CheckpointError, match=match) as raised:
        parse(path)
    assert str(path) in str(raised.value)


def weights(path, build):
    with h5py.File(path, "w") as file:
        group = file.create_group(VARS)
        group.attrs["name"] = "fc"
        build(file, group)
    return path


def test_the_builders_build_what_is_read(tmp_path):
    path = weights(tmp_path / "a.weights.h5", lambda _, group: group.create_dataset("0", data=np.ones(3, "f4")))
    assert names(path) == ["fc/vars/0"]


def external(_, group):
    group["0"] = h5py.ExternalLink("other.h5", "/x")


def soft(file, group):
    file["real"] = np.ones(2)
    group["0"] = h5py.SoftLink("/real")


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
    assert names(tmp_path / "a.h5") == ["d/kernel:0", "e/kernel:0"]


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


def test_a_refusal_comes_back_from_the_process_as_it_is(tmp_path):
    refuse(weights(tmp_path / "a.h5", soft), "SoftLink, not followed", checkpoints.read)


@pytest.mark.parametrize(
    "code", ["import time; time.sleep(60)", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"]
)
def test_a_library_that_hangs_or_crashes_is_no_hang_and_no_crash_of_ours(tmp_path, monkeypatch, code):
    """libhdf5 loops without end on some damaged heaps; an interpreter that sleeps, or dies, stands in for it."""
    path = weights(tmp_path / "a.h5", lambda _, group: group.create_dataset("0", data=np.ones(3)))
    interpreter = tmp_path / "python"
    interpreter.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}"\n')
    interpreter.chmod(0o755)
    monkeypatch.setattr("xframe.checkpoints.keras.process.LONGEST", 1.0)
    monkeypatch.setattr("sys.executable", str(interpreter))
    refuse(path, "HDF5's library", checkpoints.read)
