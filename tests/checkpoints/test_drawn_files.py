"""Tensors of any dtype, shape and name that a framework wrote, read bit for bit: as few processes as can be."""

import json
from functools import cache

import pytest
from conftest import array_of, run
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from xframe import checkpoints
from xframe.tensors import STORAGE, TensorSpec

COUNT = 120
TOGETHER = {"tensorflow": ("tensorflow", "keras"), "keras": ("tensorflow", "keras")}  # to import it once
UNKNOWN_TO = {
    "tensorflow": frozenset(),
    "keras": frozenset({"complex64", "complex128", "float8_e4m3fn", "float8_e5m2"}),  # its initialisers fail
    "onnx": frozenset(),
    "paddle": frozenset({"uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2"}),
}
letters = st.characters(exclude_categories=["Cs", "Cc"])
names = st.text(st.sampled_from("ab0./_:- é字"), min_size=1, max_size=9) | st.text(letters, min_size=1, max_size=9)
shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


def drawn(framework):
    """The same on every run. Names differ from each other; Keras allows no slash in a layer's."""
    found = {}
    dtypes = st.sampled_from([dtype for dtype in STORAGE if dtype not in UNKNOWN_TO[framework]])

    @settings(
        max_examples=COUNT, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(names, shapes, dtypes)
    def collect(name, shape, dtype):
        name = name.replace("/", ".") if framework == "keras" else name
        found.setdefault(name, TensorSpec(name, shape, dtype))

    collect()
    assert any(spec.shape == () for spec in found.values())
    assert any(0 in spec.shape for spec in found.values())
    assert any("." in name for name in found)
    assert not all(name.isascii() for name in found)
    assert len({spec.dtype for spec in found.values()}) > len(STORAGE) // 2
    return list(found.values())


@pytest.fixture(scope="module")
def written_by(tmp_path_factory):
    """By framework: the folder that it wrote into, and the dtypes, shapes and bits that it was to write."""
    folder = tmp_path_factory.mktemp("drawn")

    @cache
    def run_all(frameworks):
        wanted = {framework: given_to(framework, folder / framework) for framework in frameworks}
        run("drawn", folder, *frameworks)
        return wanted

    def written_by(framework):
        return folder / framework, run_all(TOGETHER.get(framework, (framework,)))[framework]

    return written_by


def given_to(framework, folder):
    specs = drawn(framework)
    arrays = {spec.name: array_of(spec, seed) for seed, spec in enumerate(specs)}
    folder.mkdir()
    (folder / "cases.json").write_text(json.dumps([[spec.name, spec.shape, spec.dtype] for spec in specs]))
    (folder / "cases.bin").write_bytes(b"".join(array.tobytes() for array in arrays.values()))
    return {spec.name: (spec.dtype, spec.shape, arrays[spec.name].tobytes()) for spec in specs}


def held(path):
    tensors = checkpoints.read(path).tensors
    return {name: (tensor.spec.dtype, tensor.spec.shape, tensor.array().tobytes()) for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("framework", "name"), [("tensorflow", "drawn.index"), ("onnx", "drawn.onnx"), ("paddle", "drawn.pdiparams")]
)
def test_drawn_tensors(written_by, framework, name):
    folder, wanted = written_by(framework)
    assert held(folder / name) == wanted


def test_drawn_tensors_of_keras(written_by):
    """In either of its files, by the layer's name and the variable's number."""
    folder, told = written_by("keras")
    wanted = {f"{name}/vars/0": held for name, held in told.items()}
    assert held(folder / "drawn.weights.h5") == wanted
    assert held(folder / "drawn.keras") == wanted
