"""Whatever dtypes, shapes and names: what is written is what is read, to the bit; and pickle reads our pickles too."""

import ast
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import UNKNOWN_TO, array_of, outgoing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xframe import checkpoints
from xframe.errors import UsageError
from xframe.tensors import STORAGE, TensorSpec

SOURCE = Path(checkpoints.__file__).parent
PADDLES_OWN = ["StructuredToParameterName@@", "UnpackBigParamInfor@@"]
FORMATS = [".pth", ".pdparams", ".safetensors", ".npz"]
# A test's own list takes the place of the profile's.
UNHURRIED = [*settings().suppress_health_check, HealthCheck.function_scoped_fixture]
EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=UNHURRIED)
letters = st.characters(exclude_categories=["Cs"], exclude_characters="\\\0")
names = st.text(letters, min_size=1, max_size=12).filter(lambda name: name.strip("./") and ".." not in name)
shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


def specs(extension):
    dtypes = st.sampled_from([dtype for dtype in STORAGE if dtype not in UNKNOWN_TO[extension]])
    return st.lists(st.builds(TensorSpec, names, shapes, dtypes), max_size=5, unique_by=lambda spec: spec.name)


def holds(extension, name):
    """Whether a format takes the name; what becomes of the others has tests of its own below."""
    refused = {".npz": name.startswith("/"), ".safetensors": name == "__metadata__", ".pdparams": name in PADDLES_OWN}
    return not refused.get(extension, False)


@pytest.mark.parametrize("extension", FORMATS)
@EXAMPLES
@given(data=st.data())
def test_round_trip(tmp_path, extension, data):
    wanted = [spec for spec in data.draw(specs(extension)) if holds(extension, spec.name)]
    path = tmp_path / f"a{extension}"
    checkpoints.write(path, None, outgoing(wanted))
    read = checkpoints.read(path)
    stored = {spec.name: array_of(spec, seed) for seed, spec in enumerate(wanted)}
    assert {tensor.spec.name for tensor in read.tensors.values()} == set(read.tensors) == set(stored)
    for spec in wanted:
        found = read.tensors[spec.name]
        assert found.spec.shape == spec.shape
        assert found.spec.dtype == spec.dtype
        assert found.array().tobytes() == stored[spec.name].tobytes()
        assert found.array().dtype == STORAGE[spec.dtype]


@pytest.mark.parametrize("extension", FORMATS)
def test_names_that_our_source_has_a_meaning_for(tmp_path, extension):
    """Every string of the readers and writers as a tensor's name: none of them is taken for what it means elsewhere."""
    told = [node.value for path in SOURCE.rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)]  # fmt: skip
    plain = {name for name in told if name.strip("./") and ".." not in name and "\\" not in name and name.isprintable()}
    wanted = [TensorSpec(name, (2,), "int64") for name in sorted(plain) if holds(extension, name)]
    assert len(wanted) > 500
    checkpoints.write(tmp_path / f"a{extension}", None, outgoing(wanted))
    assert set(checkpoints.read(tmp_path / f"a{extension}").tensors) == {spec.name for spec in wanted}


@EXAMPLES
@given(wanted=specs(".pdparams"))
def test_pickle_reads_our_pdparams_as_paddle_load_does(tmp_path, wanted):
    """``paddle.load`` is ``pickle.load(file, encoding='latin1')``."""
    path = tmp_path / "a.pdparams"
    checkpoints.write(path, None, outgoing(wanted))
    loaded = pickle.load(io.BytesIO(path.read_bytes()), encoding="latin1")
    assert list(loaded) == [spec.name for spec in wanted]
    for seed, spec in enumerate(wanted):
        assert loaded[spec.name].dtype == STORAGE[spec.dtype]
        assert loaded[spec.name].shape == spec.shape
        assert loaded[spec.name].tobytes() == array_of(spec, seed).tobytes()


@EXAMPLES
@given(
    spec=st.builds(TensorSpec, names, shapes, st.sampled_from([d for d in STORAGE if STORAGE[d].name == d])),
    fortran=st.booleans(),
    protocol=st.integers(2, 5),
)
def test_arrays_that_pickle_writes(tmp_path, spec, fortran, protocol):
    array = np.array(array_of(spec), order="F" if fortran else "C")
    path = tmp_path / "a.pdparams"
    path.write_bytes(pickle.dumps({spec.name: array, "twice": {"": array}}, protocol=protocol))
    read = checkpoints.read(path)
    assert set(read.tensors) == {spec.name, "twice."}
    for tensor in read.tensors.values():
        assert (tensor.spec.shape, tensor.spec.dtype) == (spec.shape, spec.dtype.replace("uint16", "bfloat16"))
        assert np.array_equal(tensor.array().tobytes(), array.tobytes())


def test_a_strided_source_is_written_dense(tmp_path):
    """Rearranged tensors arrive as views with any strides."""
    source = np.arange(24.0).reshape(2, 3, 4)
    view = source.transpose(2, 0, 1)[::2]
    spec = TensorSpec("x", view.shape, "float64")
    for extension in FORMATS:
        checkpoints.write(tmp_path / f"a{extension}", None, [checkpoints.Outgoing.whole(spec, lambda: view)])
        assert np.array_equal(checkpoints.read(tmp_path / f"a{extension}").tensors["x"].array(), view)


def test_equal_tensors_give_equal_files(tmp_path):
    wanted = [TensorSpec("b", (3,), "float32"), TensorSpec("a", (2, 2), "int64")]
    for extension in FORMATS:
        for name in ("one", "two"):
            checkpoints.write(tmp_path / f"{name}{extension}", None, outgoing(wanted))
        assert (tmp_path / f"one{extension}").read_bytes() == (tmp_path / f"two{extension}").read_bytes()


@pytest.mark.parametrize("extension", FORMATS)
def test_a_dtype_that_the_format_has_not_is_refused_and_nothing_is_written(tmp_path, extension):
    for dtype in UNKNOWN_TO[extension]:
        with pytest.raises(UsageError, match=f"found {dtype}"):
            checkpoints.write(tmp_path / f"a{extension}", None, outgoing([TensorSpec("x", (2,), dtype)]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../up", "/absolute", "a\\b", "nul\0", "a/../b"])
def test_a_name_that_an_archive_must_not_have_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="expected a name"):
        checkpoints.write(tmp_path / "a.npz", None, outgoing([TensorSpec(name, (), "int8")]))
    checkpoints.write(tmp_path / "a.pth", None, outgoing([TensorSpec(name, (), "int8")]))
    assert list(checkpoints.read(tmp_path / "a.pth").tensors) == [name]


@pytest.mark.parametrize("name", ["__metadata__", "a/../b", "..\\up", "nul\0", "half\ud800"])
def test_a_name_that_safetensors_cannot_hold_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="expected a name that safetensors can hold; found"):
        checkpoints.write(tmp_path / "a.safetensors", None, outgoing([TensorSpec(name, (), "int8")]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", PADDLES_OWN)
def test_a_name_that_paddle_keeps_for_a_table_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match=f"expected a name that paddle.load gives back; found {name}"):
        checkpoints.write(tmp_path / "a.pdparams", None, outgoing([TensorSpec(name, (), "int8")]))
    assert list(tmp_path.iterdir()) == []


def test_the_header_of_an_npy_file_ends_with_a_newline(tmp_path):
    """Its description asks for it; numpy itself reads the file without."""
    checkpoints.write(tmp_path / "a.npz", None, outgoing([TensorSpec("x", (3,), "int8")]))
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        content = archive.read("x.npy")
    header = content[10:][: int.from_bytes(content[8:10], "little")]
    assert header.endswith(b"\n")
